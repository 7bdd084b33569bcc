"""The supervisor: start the trainer, evaluate its checkpoints, judge them, and roll back after a
collapse.

Its state is the ledger in the run folder: a restarted supervisor reads it and continues. What it
does to a run are the methods of SupervisorActions; flows/train.py runs them as Prefect tasks.
"""

import sys
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from dvdgan.errors import EXIT_INTERRUPTED, InterruptedRunError, UserError
from dvdgan.guard import ledger
from dvdgan.guard.diagnosis import never_learned
from dvdgan.guard.evaluation_scheduler import EvaluationScheduler
from dvdgan.guard.evaluations import EvaluationFailedError, EvaluationProcess, EvaluationResult
from dvdgan.guard.health import COLLAPSED, WARMING_UP, EvaluationRecord, Verdict, judge
from dvdgan.guard.interruption import raise_if_interrupted
from dvdgan.guard.run_folder import RunFolder
from dvdgan.guard.run_lock import lock
from dvdgan.guard.trainer_process import TrainerProcess
from dvdgan.machine import Machine
from dvdgan.storage.local import read_json

if TYPE_CHECKING:
    from dvdgan.config.guard import Guard
    from dvdgan.config.schema import Train

POLL_SECONDS = 0.5


class Trainer(Protocol):
    """A running trainer."""

    def poll(self) -> int | None: ...

    def stop(self) -> int: ...


class PendingEvaluation(Protocol):
    """An evaluation under way."""

    def done(self) -> bool: ...

    def result(self) -> EvaluationResult: ...

    def cancel(self) -> None: ...


class Decision(NamedTuple):
    """Whether to roll back, and a note for the ledger."""

    roll_back: bool = True
    note: str = ""


class SupervisorActions:
    """What the supervisor does to a run, as plain calls."""

    def launch(self, run: RunFolder) -> Trainer:
        """Start the trainer; it resumes from the latest valid checkpoint."""
        run.failure.unlink(missing_ok=True)
        run.interrupted.unlink(missing_ok=True)
        return TrainerProcess(run)

    def evaluate(self, run: RunFolder, step: int) -> PendingEvaluation:
        """Measure one checkpoint in a separate process, in parallel with the trainer."""
        return EvaluationProcess(run, step)

    def approve(self, run: RunFolder, to_step: int, reasons: list[str]) -> Decision:
        """Whether to roll back; with Prefect a person may decide (flows/approval.py)."""
        return Decision()

    def roll_back(self, run: RunFolder, to_step: int, guard: "Guard", verdict: Verdict) -> None:
        """Move later checkpoints aside and change the schedule: other seeds, and what ``guard``
        adds.

        After a rollback to step 0 the trainer begins with fresh weights.
        """
        old = run.schedule_override()
        # How far the trainer had run on depends on timing, so the ledger does not record it.
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
        """Show an event. The trainer reports the checkpoints it saves itself."""
        if event["event"] != "saved":
            print(ledger.describe(event), file=sys.stderr, flush=True)


def supervise(run: RunFolder, train: "Train", actions: SupervisorActions) -> int:
    """Train ``run`` to train.steps and return the step of its best checkpoint.

    After train.guard.max_rollbacks collapses the run ends with the best checkpoint so far. A run
    without a healthy checkpoint within train.guard.warm_up of its steps ends as never learned.
    Waits for another supervisor of this run, and for its trainer, to end. Raises
    InterruptedRunError when a signal stopped the trainer or this process, UserError when the run
    never learned, the trainer failed, or DVDGAN_FAILED_EVALUATIONS evaluations in a row did. A
    checkpoint whose evaluation failed is never judged; where it is the last one, the run ends with
    the best one before it.
    """
    with lock(run.supervisor_lock, "another supervisor"):
        return _supervise(run, train, actions)


def _supervise(run: RunFolder, train: "Train", actions: SupervisorActions) -> int:
    while not ledger.finished(ledger.read(run.ledger), train.steps):
        with lock(run.trainer_lock, "a trainer that is being stopped"):
            pass  # it saves once more: no rollback, and no new trainer, before that
        verdict = _unanswered_collapse(run) or _train_once(run, train, actions)
        if verdict is None:
            break
        if _rollbacks(run) >= train.guard.max_rollbacks:
            _end(run, actions, [f"after {_rollbacks(run)} rollbacks", *verdict.reasons])
            break
        to_step = ledger.rollback_step(ledger.read(run.ledger), run.saved_steps())
        approved, note = actions.approve(run, to_step, verdict.reasons)
        reasons = [*verdict.reasons, *([f"note: {note}"] if note else [])]
        if not approved:
            _end(run, actions, ["the rollback was declined", *reasons])
            break
        actions.roll_back(run, to_step, train.guard, replace(verdict, reasons=reasons))
        actions.announce(ledger.read(run.ledger)[-1])
    events = ledger.read(run.ledger)
    best = ledger.best(events)
    if best is None:
        _refuse_without_evaluation(run)
        raise never_learned(events, train, run.ledger)
    step: int = best["step"]
    return step


def _unanswered_collapse(run: RunFolder) -> Verdict | None:
    """The collapse that a supervisor recorded before it was stopped, and could not roll back."""
    last = next(reversed(ledger.read(run.ledger)), None)
    if last is None or last["event"] != "evaluated" or last["verdict"] != COLLAPSED:
        return None
    return Verdict(COLLAPSED, last["reasons"], last["began"])


def _train_once(run: RunFolder, train: "Train", actions: SupervisorActions) -> Verdict | None:
    """Run the trainer once, and evaluate and judge what it saves.

    Returns the verdict of a collapse, None when training is finished.
    """
    scheduler = EvaluationScheduler(run, train)
    seen = set(run.saved_steps())
    pending: tuple[int, PendingEvaluation] | None = None
    trainer = actions.launch(run)
    try:
        while True:
            raise_if_interrupted()  # before an evaluation that the same signal ended is retried
            code = trainer.poll()  # before the look for checkpoints: none may be missed at the end
            for step in set(run.saved_steps()) - seen:
                seen.add(step)
                actions.announce({"event": "saved", "step": step})
            if pending is None and (due := scheduler.next_due()) is not None:
                pending = due, actions.evaluate(run, due)
            if pending is not None and pending[1].done():
                (step, evaluation), pending = pending, None
                try:
                    result = evaluation.result()
                except EvaluationFailedError as failure:
                    if step:  # without the baseline nothing can be judged
                        scheduler.skip(step)
                    _record_failure(run, actions, step, failure)
                    continue
                if step == 0:
                    _record_baseline(run, actions, result)
                    continue
                verdict = _record_verdict(run, train, actions, scheduler.record(step, result))
                _prune(run)
                if verdict.state == COLLAPSED:
                    return verdict
                if _out_of_time(run, train, verdict):
                    _end(run, actions, verdict.reasons or [_not_nearer(run, train)])
                    return None
                continue
            # What was saved before the end, or before a number broke, is judged first.
            if code is not None and not (pending and (code == 0 or run.failure.exists())):
                return _trainer_ended(run, code)
            time.sleep(POLL_SECONDS)
    finally:
        if pending is not None:
            pending[1].cancel()
        trainer.stop()


def _record_baseline(run: RunFolder, actions: SupervisorActions, result: EvaluationResult) -> None:
    untrained = {
        "metrics": result.metrics,
        "names": result.names or {},
        "intervals": result.intervals or {},
    }
    event = {"event": "baseline", "untrained": untrained, "mean_clip": result.mean_clip}
    ledger.append(run.ledger, event)
    actions.announce(event)


def _record_verdict(
    run: RunFolder, train: "Train", actions: SupervisorActions, record: EvaluationRecord
) -> Verdict:
    events = ledger.read(run.ledger)
    earlier = map(EvaluationRecord.of, ledger.evaluations(events))
    verdict = judge([*earlier, record], train.guard, ledger.baseline(events))
    event = {
        "event": "evaluated",
        "restart_index": run.schedule_override().restart_index,
        **asdict(record),
        "verdict": verdict.state,
        "reasons": verdict.reasons,
        "began": verdict.began,
    }
    ledger.append(run.ledger, event)
    actions.announce(event)
    return verdict


def _record_failure(
    run: RunFolder, actions: SupervisorActions, step: int, failure: EvaluationFailedError
) -> None:
    """Record a checkpoint as not evaluated. Raises UserError when too many in a row are."""
    event = {
        "event": "not_evaluated",
        "restart_index": run.schedule_override().restart_index,
        "step": step,
        "reasons": failure.reasons,
    }
    ledger.append(run.ledger, event)
    actions.announce(event)
    in_a_row = ledger.not_evaluated_in_a_row(ledger.read(run.ledger))
    if in_a_row >= Machine.load().evaluation.failed_evaluations:
        raise UserError(
            f"{in_a_row} evaluations in a row failed, the last of step {step}: "
            f"{'; '.join(failure.reasons)}",
            where=str(run.ledger),
            todo="read their lines above; if GPU memory is short, set "
            "devices.evaluation (DVDGAN_EVALUATION_DEVICE). "
            "The same command resumes and evaluates these checkpoints again",
        )


def _prune(run: RunFolder) -> None:
    """Delete the checkpoints that need not be kept."""
    machine = Machine.load()
    steps = run.saved_steps()
    events = ledger.read(run.ledger)
    kept = ledger.kept(events, steps, machine.retention.keep_last, machine.retention.keep_every)
    for step in steps:
        if step not in kept:
            run.remove(step)


def _out_of_time(run: RunFolder, train: "Train", verdict: Verdict) -> bool:
    """Whether the run has had its warm-up, and has no healthy checkpoint."""
    events = ledger.read(run.ledger)
    step = ledger.reached(events)
    over = step == train.steps or (
        verdict.state == WARMING_UP and step >= train.guard.warm_up * train.steps
    )
    return over and ledger.best(events) is None


def _not_nearer(run: RunFolder, train: "Train") -> str:
    events = ledger.read(run.ledger)
    baseline, last = ledger.baseline(events), EvaluationRecord.of(ledger.evaluations(events)[-1])
    assert baseline is not None  # measured before any checkpoint
    return (
        f"FVD {last.distance} at step {last.step} is not clearly below "
        f"{train.guard.thresholds.baseline_factor:g} times that of the untrained generator, "
        f"{baseline.untrained}"
    )


def _trainer_ended(run: RunFolder, code: int) -> Verdict | None:
    if code == 0:
        return None
    # A launcher of many processes does not pass their exit code on; the run folder has the reason.
    if code == EXIT_INTERRUPTED or run.interrupted.exists():
        raise InterruptedRunError("the trainer was stopped; its last checkpoint is saved")
    if run.failure.exists():
        failure = read_json(run.failure)
        return Verdict(COLLAPSED, [failure["what"]], failure["step"])
    raise UserError(
        f"the trainer ended with exit code {code}",
        where=str(run.root),
        todo="read its last lines above; the same command resumes from the last checkpoint",
    )


def _rollbacks(run: RunFolder) -> int:
    return sum(event["event"] == "rolled_back" for event in ledger.read(run.ledger))


def _end(run: RunFolder, actions: SupervisorActions, reasons: list[str]) -> None:
    """Record that the run ends here: early with its best checkpoint, or without having learned."""
    events = ledger.read(run.ledger)
    best, event = ledger.best(events), {"reached": ledger.reached(events), "reasons": reasons}
    if best is None:
        event |= {"event": "never_learned"}
    else:
        event |= {"event": "ended_early", "step": best["step"]}
    ledger.append(run.ledger, event)
    actions.announce(event)


def _refuse_without_evaluation(run: RunFolder) -> None:
    events = ledger.read(run.ledger)
    failed = ledger.not_evaluated(events)
    if failed and not ledger.evaluations(events):
        raise UserError(
            f"no checkpoint of this run could be evaluated (step {', '.join(map(str, failed))})",
            where=str(run.ledger),
            todo="fix the causes listed in that file; the same command evaluates these "
            "checkpoints again",
        )
