"""The supervisor's steps as plain calls: what `dvdgan train` does where no Prefect is configured.

flows/train.py wraps the same steps in Prefect tasks.
"""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from dvdgan.guard import ledger
from dvdgan.guard.evaluations import EvaluationProcess
from dvdgan.guard.run_folder import RunFolder
from dvdgan.guard.trainer_process import TrainerProcess

if TYPE_CHECKING:
    from dvdgan.config.guard import Guard
    from dvdgan.guard.health import Verdict


class Decision(NamedTuple):
    """Whether to roll back, and what the person who was asked has to say to it."""

    roll_back: bool = True
    note: str = ""


class LocalActions:
    """The steps as plain calls."""

    def launch(self, run: RunFolder) -> TrainerProcess:
        """Start the trainer; it resumes from the newest whole checkpoint."""
        run.failure.unlink(missing_ok=True)
        run.interrupted.unlink(missing_ok=True)
        return TrainerProcess(run)

    def evaluate(self, run: RunFolder, step: int) -> EvaluationProcess:
        """Measure one checkpoint in a process of its own, beside the trainer."""
        return EvaluationProcess(run, step)

    def approve(self, run: RunFolder, to_step: int, reasons: list[str]) -> Decision:
        """Whether to roll back; a person is asked only where Prefect can (flows/approval.py)."""
        return Decision()

    def roll_back(self, run: RunFolder, to_step: int, guard: "Guard", verdict: "Verdict") -> None:
        """Move later checkpoints aside and change the course: new draws, what guard says.

        Back at step 0 the trainer begins with fresh weights.
        """
        old = run.schedule_override()
        # How far the trainer had run on depends on timing, so the ledger does not tell.
        run.move_aside(after=to_step, restart_index=old.restart_index)
        new = ledger.ScheduleOverride(
            old.restart_index + 1,
            old.learning_rate_scale * guard.learning_rate_scale,
            old.added_discriminator_steps + guard.added_discriminator_steps,
        )
        event = {
            "event": "rolled_back",
            "from_step": verdict.began,
            "to_step": to_step,
            "reasons": verdict.reasons,
        }
        ledger.append(run.ledger, event | asdict(new))

    def announce(self, event: dict[str, Any]) -> None:
        """Tell whoever watches; the trainer's own line tells of checkpoints saved."""
        if event["event"] == "saved":
            return
        print(ledger.describe(event), file=sys.stderr, flush=True)
