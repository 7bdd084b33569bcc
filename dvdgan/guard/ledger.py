"""The ledger of a run, an append-only list of events, and what follows from it: the best
checkpoint, the target of a rollback, and the checkpoints to keep."""

import json
import os
from collections.abc import Collection, Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from dvdgan.guard.health import COLLAPSED, HEALTHY, Baseline
from dvdgan.storage.local import sync_directory
from dvdgan.storage.reading import reading

Event = dict[str, Any]

# What each kind of event must have, and the types of what it may have.
REQUIRED: dict[str, tuple[str, ...]] = {
    "saved": ("step",),
    "baseline": ("untrained", "mean_clip"),
    "evaluated": ("step", "verdict", "metrics"),
    "not_evaluated": ("step",),
    "rolled_back": ("to_step",),
    "ended_early": ("step",),
    "never_learned": ("reached",),
}
OPTIONAL: dict[str, Any] = {
    **dict.fromkeys(("step", "to_step", "reached", "from_step", "restart_index", "began"), int),
    **dict.fromkeys(("added_discriminator_steps", "learning_rate_scale"), int | float),
    **dict.fromkeys(("metrics", "intervals", "names", "health", "training"), dict),
    **dict.fromkeys(("untrained", "mean_clip"), dict),
    **{"reasons": list, "verdict": str},
}

# Keys of version 0.1, in its ledgers and in the results of its evaluations.
RENAMED_KEYS = {"attempt": "restart_index", "signs": "health"}


@dataclass(frozen=True)
class ScheduleOverride:
    """What a rollback changes about training.

    restart_index: 0 at first, part of every random seed; learning_rate_scale: factor on both rates;
    added_discriminator_steps: D updates beyond train.discriminator_steps.
    """

    restart_index: int = 0
    learning_rate_scale: float = 1.0
    added_discriminator_steps: int = 0


def append(path: Path, event: Event) -> None:
    """Add one event as a JSON line and wait until it is on disk."""
    line = json.dumps(event, sort_keys=True, allow_nan=False)
    is_new, whole = not path.exists(), len(whole_lines(path))
    with path.open("ab") as file:
        file.truncate(whole)  # else a line cut off by a crash would swallow this one
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        sync_directory(path.parent)


def read(path: Path) -> list[Event]:
    """All events, oldest first; a last line cut off by a crash is ignored (its event is redone).

    Raises DamagedFileError if another line is not an event.
    """
    lines = whole_lines(path)
    with reading(path, "a ledger"):
        return parse(lines)


def read_records(path: Path) -> list[Event]:
    """The objects of any file of JSON lines, in order; empty if there is no file.

    A last line cut off by a crash is ignored. Raises DamagedFileError if a line is not an object.
    """
    lines = whole_lines(path)
    with reading(path, "a file of JSON lines"):
        return parse_records(lines)


def parse(lines: bytes) -> list[Event]:
    """The events in whole lines. Raises ValueError if a line is not one."""
    events = parse_records(lines)
    for event in events:
        try:
            _check(event)
        except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
            raise ValueError(f"an event is damaged ({type(error).__name__}: {error})") from error
    return events


def _check(event: Event) -> None:
    """Raise ValueError, KeyError, TypeError or AttributeError unless the rules below can use it."""
    kind = event.get("event")
    if not isinstance(kind, str) or kind not in REQUIRED:
        raise ValueError(f"there is no event {kind!r:.80}")
    for key, types in OPTIONAL.items():
        value = event.get(key)
        if value is None and key not in REQUIRED[kind]:
            continue
        if not isinstance(value, types) or isinstance(value, bool):
            raise ValueError(f"{key} of the event {kind!r} is {value!r:.80}")
    numbers = event.get("metrics") or {}
    if not all(isinstance(value, int | float | None) for value in numbers.values()):
        raise ValueError(f"the metrics of the event {kind!r} are no numbers")
    if not all(isinstance(reason, str) for reason in event.get("reasons") or []):
        raise ValueError(f"the reasons of the event {kind!r} are no texts")
    if kind == "evaluated" and event["verdict"] == HEALTHY and numbers.get("FVD") is None:
        raise ValueError(f"step {event['step']} is healthy without FVD")
    if kind == "baseline":
        found = Baseline.of(event)
        distances = (*astuple(found.untrained), *astuple(found.mean_clip))
        if not all(isinstance(value, int | float) for value in distances):
            raise ValueError(f"the baseline is {distances!r:.80}")


def parse_records(lines: bytes) -> list[Event]:
    """The JSON objects in whole lines, in the keys of this version. Raises ValueError.

    Blank lines are ignored.
    """
    try:
        found = [json.loads(line) for line in lines.splitlines() if line.strip()]
    except RecursionError as error:
        raise ValueError("a line is nested too deep") from error
    for each in found:
        if not isinstance(each, dict):
            raise ValueError(f"a line is not a JSON object but {each!r:.80}")
    return [with_current_keys(each) for each in found]


def with_current_keys(event: Event) -> Event:
    """``event`` with the keys of this version, where version 0.1 used others."""
    return {RENAMED_KEYS.get(key, key): value for key, value in event.items()}


def evaluations(events: list[Event]) -> list[Event]:
    """The `evaluated` events still valid: those a rollback moved aside are left out."""
    kept: list[Event] = []
    for event in events:
        if event["event"] == "evaluated":
            kept.append(event)
        elif event["event"] == "rolled_back":
            kept = [other for other in kept if other["step"] <= event["to_step"]]
    return kept


def baseline(events: list[Event]) -> Baseline | None:
    """What the run's checkpoints are compared with; None until it is measured."""
    found = next((event for event in events if event["event"] == "baseline"), None)
    return None if found is None else Baseline.of(found)


def healthy_steps(events: list[Event]) -> list[int]:
    """The steps that were judged healthy and not rolled back, ascending."""
    return [event["step"] for event in evaluations(events) if event["verdict"] == HEALTHY]


def last_healthy(events: list[Event]) -> int:
    """The newest healthy step; 0, the beginning, when there is none."""
    return max(healthy_steps(events), default=0)


def best(events: list[Event]) -> Event | None:
    """The healthy evaluation with the lowest FVD: its checkpoint is what a run ends with.

    Includes a checkpoint that a rollback discarded; RunFolder.best_checkpoint returns its folder.
    """
    healthy = [
        event for event in events if event["event"] == "evaluated" and event["verdict"] == HEALTHY
    ]
    return min(healthy, key=lambda event: event["metrics"]["FVD"], default=None)


def best_in_line(events: list[Event]) -> int | None:
    """The step of `best`, where no rollback went back past it."""
    found = best(events)
    return found["step"] if found is not None and found in evaluations(events) else None


def best_so_far(events: list[Event]) -> set[int]:
    """The healthy steps that had the lowest FVD when they were judged, and were not rolled back.

    The last of them is the one a run ends with.
    """
    found: set[int] = set()
    lowest = float("inf")
    for event in evaluations(events):
        if event["verdict"] == HEALTHY and event["metrics"]["FVD"] < lowest:
            lowest = event["metrics"]["FVD"]
            found.add(event["step"])
    return found


def kept(
    events: list[Event], steps: Iterable[int], last: int, every: int | None = None
) -> set[int]:
    """Those of the saved ``steps`` whose checkpoints are kept.

    The ``last`` newest, multiples of ``every`` steps, those that were the best so far, and what a
    rollback or a restart may continue from: the newest healthy one (before there is one, the newest
    that was judged) and all later ones, judged or not.
    """
    ascending = sorted(steps)
    goes_on_from = last_healthy(events) or reached(events)
    found = {step for step in ascending if step >= goes_on_from}
    found |= set(ascending[-last:]) | (best_so_far(events) & set(ascending))
    if every is not None:
        found |= {step for step in ascending if step % every == 0}
    return found


def reached(events: list[Event]) -> int:
    """The last step that was judged; 0 for none."""
    return max((event["step"] for event in evaluations(events)), default=0)


def rollback_step(events: list[Event], saved: Collection[int]) -> int:
    """The step that the next rollback goes back to: a healthy one that is ``saved``, or 0.

    It is the newest one. A run that, since its last rollback, has no healthy checkpoint at or
    beyond the step at which that collapse began has collapsed in the same place: the next rollback
    goes back further, to the newest one older than the last target, or to the beginning.
    """
    healthy = [step for step in healthy_steps(events) if step in saved]
    last = next((event for event in reversed(events) if event["event"] == "rolled_back"), None)
    if last is not None and max(healthy, default=0) < last.get("from_step", last["to_step"] + 1):
        target = last["to_step"]
        healthy = [step for step in healthy if step < target or target == 0]
    return max(healthy, default=0)


def finished(events: list[Event], steps: int) -> bool:
    """Whether a run of ``steps`` was ended, or its last step judged."""
    if any(event["event"] in ("ended_early", "never_learned") for event in events):
        return True
    last = next(reversed(evaluations(events)), None)
    return last is not None and last["step"] == steps and last["verdict"] != COLLAPSED


def not_evaluated_in_a_row(events: list[Event]) -> int:
    """How many evaluations have failed since the last that did not."""
    count = 0
    for event in events:
        if event["event"] in ("baseline", "evaluated"):
            count = 0
        elif event["event"] == "not_evaluated":
            count += 1
    return count


def not_evaluated(events: list[Event]) -> list[int]:
    """The steps without a verdict because their evaluation failed, ascending; those that a rollback
    moved aside are left out."""
    failed: set[int] = set()
    for event in events:
        if event["event"] == "not_evaluated":
            failed.add(event["step"])
        elif event["event"] in ("baseline", "evaluated"):
            failed.discard(event.get("step", 0))
        elif event["event"] == "rolled_back":
            failed = {step for step in failed if step <= event["to_step"]}
    return sorted(failed)


def schedule_override_of(events: list[Event]) -> ScheduleOverride:
    """What the last rollback changed."""
    names = [field.name for field in fields(ScheduleOverride)]
    for event in reversed(events):
        if event["event"] == "rolled_back":  # early ledgers have the step alone
            changed = {name: event[name] for name in names if event.get(name) is not None}
            return ScheduleOverride(**changed)
    return ScheduleOverride()


def restart_index_of(events: list[Event], step: int) -> int:
    """The restart index ``step`` was trained with: that of the last rollback to an earlier step."""
    for event in reversed(events):
        if event["event"] == "rolled_back" and event["to_step"] < step:
            return int(event.get("restart_index") or 0)
    return 0


def describe(event: Event) -> str:
    """One event as a line for people."""
    reasons = f": {'; '.join(event['reasons'])}" if event.get("reasons") else ""
    match event["event"]:
        case "saved":
            return f"checkpoint of step {event['step']} saved"
        case "baseline":
            found = Baseline.of(event)
            return (
                f"baseline: FVD {found.untrained} of the untrained generator, {found.mean_clip} of "
                "the mean clip"
            )
        case "rolled_back":
            scale = event.get("learning_rate_scale") or 1.0  # early ledgers have the step alone
            added = event.get("added_discriminator_steps", 0)
            more = f", {added} more D updates a step" if added else ""
            step = event["to_step"]
            where = f"back to step {step}" if step else "back to the beginning, new weights"
            text = f"{where}, learning rates x {scale:g}{more}, new seeds"
        case "ended_early":
            where = event.get("reached", "an unknown step")  # missing in early ledgers
            text = f"ended early at step {where}; the best checkpoint is step {event['step']}"
        case "never_learned":
            text = f"ended at step {event['reached']} as never learned"
        case "not_evaluated":
            text = f"step {event['step']}: not evaluated"
        case _:
            values = [
                f"{name} {value:.4g}"
                for name, value in event["metrics"].items()
                if value is not None
            ]
            metrics = ", ".join(values) or "no finite value"
            text = f"step {event['step']}: {metrics}, {event['verdict'].replace('_', ' ')}"
    return text + reasons


def whole_lines(path: Path) -> bytes:
    """The bytes of a file of lines without a last line cut off; none if there is no file."""
    written = path.read_bytes() if path.exists() else b""
    return written[: written.rfind(b"\n") + 1]
