"""The supervisor: launch, evaluate each checkpoint, judge, and on collapse go back (design: one
supervisor, two bindings).

It is handed its steps, so that the same loop runs with plain calls and with Prefect tasks. Its
memory is the ledger: a supervisor that was stopped reads it and goes on.
"""

import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Protocol

from dvdgan.errors import EXIT_INTERRUPTED, InterruptedRunError, UserError
from dvdgan.guard import ledger
from dvdgan.guard.actions import Decision
from dvdgan.guard.diagnosis import never_learned
from dvdgan.guard.environment import RunEnvironment
from dvdgan.guard.evaluation_record import EvaluationRecord
from dvdgan.guard.evaluation_scheduler import EvaluationScheduler
from dvdgan.guard.evaluations import EvaluationFailedError, Measured
from dvdgan.guard.health import COLLAPSED, WARMING_UP, Verdict, judge
from dvdgan.guard.interruption import raise_if_interrupted
from dvdgan.guard.retention import kept
from dvdgan.guard.run_folder import RunFolder
from dvdgan.guard.run_lock import lock
from dvdgan.storage.local import read_json

if TYPE_CHECKING:
    from dvdgan.config.guard import Guard
    from dvdgan.config.schema import Train

POLL_SECONDS = 0.5


class Trainer(Protocol):
    """A running trainer."""

    def poll(self) -> int | None: ...

    def stop(self) -> int: ...


class Pending(Protocol):
    """An evaluation under way."""

    def done(self) -> bool: ...

    def result(self) -> Measured: ...

    def cancel(self) -> None: ...


class SupervisorActions(Protocol):
    """What the supervisor can do; see guard/actions.py for what each step does."""

    def launch(self, run: RunFolder) -> Trainer: ...

    def evaluate(self, run: RunFolder, step: int) -> Pending: ...

    def approve(self, run: RunFolder, to_step: int, reasons: list[str]) -> Decision: ...

    def roll_back(self, run: RunFolder, to_step: int, guard: "Guard", verdict: Verdict) -> None: ...

    def announce(self, event: dict[str, Any]) -> None: ...


def supervise(run: RunFolder, train: "Train", steps: SupervisorActions) -> int:
    """Bring ``run`` to train.steps and return the step of its best checkpoint.

    After train.guard.max_rollbacks collapses the run ends with the best checkpoint so far. A run
    without a healthy checkpoint within train.guard.warm_up of its steps ends as never learned.
    Waits for another supervisor of this run, and for its trainer, to end. Raises
    InterruptedRunError when a signal stopped the trainer or this process, UserError when the run
    never learned, the trainer failed, or DVDGAN_FAILED_EVALUATIONS evaluations in a row did. A
    checkpoint whose evaluation failed is never judged; where it is the last one, the run ends with
    the best one before it.
    """
    with lock(run.supervisor_lock, "another supervisor"):
        return _bring_to_its_end(run, train, steps)


def _bring_to_its_end(run: RunFolder, train: "Train", steps: SupervisorActions) -> int:
    while not ledger.finished(ledger.read(run.ledger), train.steps):
        with lock(run.trainer_lock, "a trainer that is being stopped"):
            pass  # it saves once more: no rollback, and no new trainer, before that
        verdict = _unanswered_collapse(run) or _follow(run, train, steps)
        if verdict is None:
            break
        if _rollbacks(run) >= train.guard.max_rollbacks:
            _end(run, steps, [f"after {_rollbacks(run)} rollbacks", *verdict.reasons])
            break
        to_step = ledger.rollback_step(ledger.read(run.ledger), run.saved_steps())
        wanted, note = steps.approve(run, to_step, verdict.reasons)
        reasons = [*verdict.reasons, *([f"note: {note}"] if note else [])]
        if not wanted:
            _end(run, steps, ["no rollback was wanted", *reasons])
            break
        steps.roll_back(run, to_step, train.guard, replace(verdict, reasons=reasons))
        steps.announce(ledger.read(run.ledger)[-1])
    events = ledger.read(run.ledger)
    best = ledger.best(events)
    if best is None:
        _refuse_without_evaluation(run)
        raise never_learned(events, train, run.ledger)
    step: int = best["step"]
    return step


def _refuse_without_evaluation(run: RunFolder) -> None:
    events = ledger.read(run.ledger)
    failed = ledger.not_evaluated(events)
    if failed and not ledger.evaluations(events):
        raise UserError(
            f"no checkpoint of this run could be evaluated (step {', '.join(map(str, failed))})",
            where=str(run.ledger),
            todo="mend what the reasons in that file name; the same command evaluates them again",
        )


def _end(run: RunFolder, steps: SupervisorActions, reasons: list[str]) -> None:
    """Note that the run ends here: early with its best checkpoint, or without having learned."""
    events = ledger.read(run.ledger)
    best, event = ledger.best(events), {"reached": ledger.reached(events), "reasons": reasons}
    if best is None:
        event |= {"event": "never_learned"}
    else:
        event |= {"event": "ended_early", "step": best["step"]}
    ledger.append(run.ledger, event)
    steps.announce(event)


def _unanswered_collapse(run: RunFolder) -> Verdict | None:
    """The collapse a supervisor had noted when it was stopped, before it could roll back."""
    last = next(reversed(ledger.read(run.ledger)), None)
    if last is None or last["event"] != "evaluated" or last["verdict"] != COLLAPSED:
        return None
    return Verdict(COLLAPSED, last["reasons"], last["began"])


def _follow(run: RunFolder, train: "Train", steps: SupervisorActions) -> Verdict | None:
    """Run the trainer once. Returns the verdict of a collapse, None when training is finished."""
    scheduler = EvaluationScheduler(run, train)
    seen = set(run.saved_steps())
    pending: tuple[int, Pending] | None = None
    trainer = steps.launch(run)
    try:
        while True:
            raise_if_interrupted()  # before an evaluation that the same signal ended is retried
            code = trainer.poll()  # before the look for checkpoints: none may be missed at the end
            for step in set(run.saved_steps()) - seen:
                seen.add(step)
                steps.announce({"event": "saved", "step": step})
            if pending is None and (due := scheduler.next_due()) is not None:
                pending = due, steps.evaluate(run, due)
            if pending is not None and pending[1].done():
                (step, evaluation), pending = pending, None
                try:
                    measured = evaluation.result()
                except EvaluationFailedError as failure:
                    if step:  # without the baseline nothing can be judged
                        scheduler.skip(step)
                    _record_failure(run, steps, step, failure)
                    continue
                if step == 0:
                    _record_baseline(run, steps, measured)
                    continue
                verdict = _record(run, train, steps, scheduler.read(step, measured))
                _prune(run)
                if verdict.state == COLLAPSED:
                    return verdict
                if _out_of_time(run, train, verdict):
                    _end(run, steps, verdict.reasons or [_not_nearer(run, train)])
                    return None
                continue
            # What was saved before the end, or before a number broke, is judged first.
            if code is not None and not (pending and (code == 0 or run.failure.exists())):
                return _ending(run, code)
            time.sleep(POLL_SECONDS)
    finally:
        if pending is not None:
            pending[1].cancel()
        trainer.stop()


def _record_baseline(run: RunFolder, steps: SupervisorActions, measured: Measured) -> None:
    untrained = {
        "metrics": measured.metrics,
        "names": measured.names or {},
        "intervals": measured.intervals or {},
    }
    event = {"event": "baseline", "untrained": untrained, "mean_clip": measured.mean_clip}
    ledger.append(run.ledger, event)
    steps.announce(event)


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


def _record(
    run: RunFolder, train: "Train", steps: SupervisorActions, reading: EvaluationRecord
) -> Verdict:
    events = ledger.read(run.ledger)
    earlier = map(EvaluationRecord.of, ledger.evaluations(events))
    verdict = judge([*earlier, reading], train.guard, ledger.baseline(events))
    event = {
        "event": "evaluated",
        "restart_index": run.schedule_override().restart_index,
        **asdict(reading),
        "verdict": verdict.state,
        "reasons": verdict.reasons,
        "began": verdict.began,
    }
    ledger.append(run.ledger, event)
    steps.announce(event)
    return verdict


def _record_failure(
    run: RunFolder, steps: SupervisorActions, step: int, failure: EvaluationFailedError
) -> None:
    """Note a checkpoint as not evaluated. Raises UserError when too many in a row are."""
    event = {
        "event": "not_evaluated",
        "restart_index": run.schedule_override().restart_index,
        "step": step,
        "reasons": failure.reasons,
    }
    ledger.append(run.ledger, event)
    steps.announce(event)
    in_a_row = ledger.not_evaluated_in_a_row(ledger.read(run.ledger))
    if in_a_row >= RunEnvironment.from_environment().failed_evaluations:
        raise UserError(
            f"{in_a_row} evaluations in a row failed, the last of step {step}: "
            f"{'; '.join(failure.reasons)}",
            where=str(run.ledger),
            todo="read their lines above; where GPU memory is short, set DVDGAN_EVALUATION_DEVICE. "
            "The same command goes on and evaluates these checkpoints again",
        )


def _prune(run: RunFolder) -> None:
    """Delete checkpoints that are not worth their bytes (guard/retention.py)."""
    environment = RunEnvironment.from_environment()
    steps = run.saved_steps()
    events = ledger.read(run.ledger)
    wanted = kept(events, steps, environment.keep_last, environment.keep_every)
    for step in steps:
        if step not in wanted:
            run.remove(step)


def _ending(run: RunFolder, code: int) -> Verdict | None:
    if code == 0:
        return None
    # A launcher of many processes does not pass their exit code on: the run folder tells.
    if code == EXIT_INTERRUPTED or run.interrupted.exists():
        raise InterruptedRunError("the trainer was stopped; its last checkpoint is saved")
    if run.failure.exists():
        failure = read_json(run.failure)
        return Verdict(COLLAPSED, [failure["what"]], failure["step"])
    raise UserError(
        f"the trainer ended with exit code {code}",
        where=str(run.root),
        todo="read its last lines above; the same command goes on from the last checkpoint",
    )


def _rollbacks(run: RunFolder) -> int:
    return sum(event["event"] == "rolled_back" for event in ledger.read(run.ledger))
