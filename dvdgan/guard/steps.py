"""The supervisor's steps as plain calls: what `dvdgan train` does where no Prefect is configured.

flows/train.py wraps the same steps in Prefect tasks.
"""

import sys
from dataclasses import asdict
from typing import Any

from dvdgan.guard import ledger
from dvdgan.guard.processes import EvaluationProcess, TrainerProcess
from dvdgan.guard.run_folder import RunFolder


class PlainSteps:
    """The steps as plain calls."""

    def launch(self, run: RunFolder) -> TrainerProcess:
        """Start the trainer; it resumes from the newest whole checkpoint."""
        run.failure.unlink(missing_ok=True)
        run.interrupted.unlink(missing_ok=True)
        return TrainerProcess(run)

    def evaluate(self, run: RunFolder, step: int) -> EvaluationProcess:
        """Measure one checkpoint in a process of its own, beside the trainer."""
        return EvaluationProcess(run, step)

    def roll_back(self, run: RunFolder, to_step: int, scale: float, reasons: list[str]) -> None:
        """Move later checkpoints aside and change the course: new draws, scaled learning rates."""
        old = run.course()
        # How far the trainer had run on depends on timing, so the ledger does not tell.
        run.move_aside(after=to_step, attempt=old.attempt)
        new = ledger.Course(old.attempt + 1, old.learning_rate_scale * scale)
        event = {"event": "rolled_back", "to_step": to_step, "reasons": reasons}
        ledger.append(run.ledger, event | asdict(new))

    def announce(self, event: dict[str, Any]) -> None:
        """Tell whoever watches."""
        print(ledger.describe(event), file=sys.stderr, flush=True)
