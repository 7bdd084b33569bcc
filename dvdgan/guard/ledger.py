"""The run's memory: an append-only list of evaluations, verdicts, promotions and rollbacks."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Event = dict[str, Any]


@dataclass(frozen=True)
class Course:
    """How training is steered; every rollback changes it.

    attempt: 0 at first, part of every random seed; learning_rate_scale: factor on both rates.
    """

    attempt: int = 0
    learning_rate_scale: float = 1.0


def append(path: Path, event: Event) -> None:
    """Add one event as a JSON line and wait until it is on disk."""
    line = json.dumps(event, sort_keys=True, allow_nan=False)
    whole = len(whole_lines(path))
    with path.open("ab") as file:
        file.truncate(whole)  # else a line cut off by a crash would swallow this one
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> list[Event]:
    """All events, oldest first; a last line cut off by a crash is ignored (its event is redone)."""
    return parse(whole_lines(path))


def parse(lines: bytes) -> list[Event]:
    """The events in whole lines. Raises ValueError where a line is no JSON."""
    return [json.loads(line) for line in lines.splitlines()]


def evaluations(events: list[Event]) -> list[Event]:
    """The `evaluated` events still valid: those a rollback moved aside are left out."""
    kept: list[Event] = []
    for event in events:
        if event["event"] == "evaluated":
            kept.append(event)
        elif event["event"] == "rolled_back":
            kept = [other for other in kept if other["step"] <= event["to_step"]]
    return kept


def last_good(events: list[Event]) -> int:
    """The step promoted last and not rolled back; 0 when there is none."""
    healthy = [event["step"] for event in evaluations(events) if event["verdict"] == "healthy"]
    return max(healthy, default=0)


def best_good(events: list[Event]) -> int | None:
    """The healthy step with the lowest FVD, the checkpoint a run ends with."""
    healthy = [event for event in evaluations(events) if event["verdict"] == "healthy"]
    if not healthy:
        return None
    step: int = min(healthy, key=lambda event: (event["metrics"]["FVD"], event["step"]))["step"]
    return step


def course_of(events: list[Event]) -> Course:
    """The course the last rollback set."""
    for event in reversed(events):
        if event["event"] == "rolled_back":
            return Course(event["attempt"], event["learning_rate_scale"])
    return Course()


def describe(event: Event) -> str:
    """One event in words."""
    reasons = f": {'; '.join(event['reasons'])}" if event["reasons"] else ""
    if event["event"] == "rolled_back":
        scale = event["learning_rate_scale"]
        return f"back to step {event['to_step']}, learning rates x {scale:g}, new draws{reasons}"
    figures = [
        f"{name} {value:.4g}" for name, value in event["metrics"].items() if value is not None
    ]
    measured = ", ".join(figures) or "nothing finite"
    return f"step {event['step']}: {measured}, {event['verdict']}{reasons}"


def whole_lines(path: Path) -> bytes:
    """The bytes of a file of lines without a last line cut off; none where there is no file."""
    written = path.read_bytes() if path.exists() else b""
    return written[: written.rfind(b"\n") + 1]
