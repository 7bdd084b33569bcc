"""The run's memory: an append-only list of evaluations, verdicts, promotions and rollbacks."""

import json
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

Event = dict[str, Any]


@dataclass(frozen=True)
class Course:
    """How training is steered; every rollback changes it.

    attempt: 0 at first, part of every random seed; learning_rate_scale: factor on both rates;
    added_discriminator_steps: D updates beyond train.discriminator_steps.
    """

    attempt: int = 0
    learning_rate_scale: float = 1.0
    added_discriminator_steps: int = 0


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
            return Course(**{field.name: event[field.name] for field in fields(Course)})
    return Course()


def describe(event: Event) -> str:
    """One event in words."""
    reasons = f": {'; '.join(event['reasons'])}" if event.get("reasons") else ""
    match event["event"]:
        case "saved":
            return f"checkpoint of step {event['step']} saved"
        case "rolled_back":
            scale, added = event["learning_rate_scale"], event["added_discriminator_steps"]
            more = f", {added} more D updates a step" if added else ""
            told = f"back to step {event['to_step']}, learning rates x {scale:g}{more}, new draws"
        case "ended_early":
            told = f"ended early with the best good checkpoint, step {event['step']}"
        case _:
            figures = [
                f"{name} {value:.4g}"
                for name, value in event["metrics"].items()
                if value is not None
            ]
            measured = ", ".join(figures) or "nothing finite"
            told = f"step {event['step']}: {measured}, {event['verdict']}"
    return told + reasons


def whole_lines(path: Path) -> bytes:
    """The bytes of a file of lines without a last line cut off; none where there is no file."""
    written = path.read_bytes() if path.exists() else b""
    return written[: written.rfind(b"\n") + 1]
