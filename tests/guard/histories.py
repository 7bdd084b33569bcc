"""Recorded training runs, healthy and collapsing, as the guard would have seen them.

benchmarks/collapse made them, and tells how. They are in histories/fit.jsonl.gz, on which the
thresholds may be found, and histories/held_out.jsonl.gz, on which they may not: a run a line.
"""

import gzip
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvdgan.config.guard import Guard
from dvdgan.guard.reading import Reading
from dvdgan.guard.signals import training_signals
from dvdgan.guard.verdict import COLLAPSED, judge

FOLDER = Path(__file__).parent / "histories"
SPLITS = ("fit", "held_out")
HEALTHY = "healthy"

Line = dict[str, Any]


@dataclass(frozen=True)
class History:
    """One run. It begins anew, or goes on from ``begin`` steps of another one, its trunk."""

    name: str
    about: Line
    """What it was trained on and with."""
    kind: str
    """Of fault; healthy: none."""
    variant: str
    hard: bool
    """The fault destroys numbers rather than the course of training."""
    harm: str
    """What the fault did: none, mild, or collapse (benchmarks/collapse/assemble.py); healthy: none.
    """
    shown: int | None
    """The step of the evaluation since which all show harm, or of the failure; None: no harm."""
    onset: int
    """First step under the fault; 0: none."""
    begin: int
    end: int
    """Last finished step."""
    period: int
    """Steps between readings."""
    readings: list[Reading]
    """Of the trunk up to ``begin``, and its own."""
    failure: int | None
    """The step at which the trainer met a number that is not finite, and stopped."""

    @property
    def collapses(self) -> bool:
        return self.harm == "collapse"

    @property
    def healthy_steps(self) -> int:
        """Its own steps on which nothing was wrong with it."""
        return (self.onset - 1 if self.onset else self.end) - self.begin

    def noticed(self, guard: Guard) -> int | None:
        """The first of its own steps at which a collapse is known; None: never."""
        for count, reading in enumerate(self.readings, start=1):
            if reading.step <= self.begin:
                continue
            if judge(self.readings[:count], guard).state == COLLAPSED:
                return reading.step
        return self.failure


def read(split: str) -> list[History]:
    """The histories of fit or of held_out."""
    with gzip.open(FOLDER / f"{split}.jsonl.gz", "rt", encoding="utf-8") as lines:
        told: dict[str, Line] = {each["name"]: each for each in map(json.loads, lines)}
    return [_history(each, told.get(each["trunk"])) for each in told.values()]


def _history(own: Line, trunk: Line | None) -> History:
    telemetry, spectra = list(_rows(own["telemetry"])), own["spectra"]
    evaluations, begin = own["evaluations"], own.get("begin", 0)
    if trunk is not None:
        telemetry = _until(begin, list(_rows(trunk["telemetry"]))) + telemetry
        spectra = _until(begin, trunk["spectra"]) + spectra
        evaluations = _until(begin, trunk["evaluations"]) + evaluations
    parts = ("name", "kind", "variant", "hard", "harm", "shown", "onset", "period")
    failure = own["failure"]
    return History(
        **{part: own[part] for part in parts},
        about=own["about"],
        begin=begin,
        end=telemetry[-1]["step"],
        readings=list(_readings(telemetry, spectra, evaluations)),
        failure=None if failure is None else failure["step"],
    )


def _readings(
    telemetry: list[Line], spectra: list[Line], measured: list[Line]
) -> Iterator[Reading]:
    """As guard.watch reads a run whose every checkpoint was evaluated."""
    after = 0
    for each in measured:
        step = each["step"]
        steps = telemetry[bisect_right(telemetry, after, key=_step) :]
        steps = steps[: bisect_right(steps, step, key=_step)]
        known = spectra[bisect_left(spectra, after, key=_step) :]
        known = known[: bisect_right(known, step, key=_step)]
        yield Reading(step, each["metrics"], each["signs"], training_signals(steps, known))
        after = step


def _rows(columns: dict[str, list[Any]]) -> Iterator[Line]:
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def _until(step: int, lines: list[Line]) -> list[Line]:
    return [line for line in lines if line["step"] <= step]


def _step(line: Line) -> int:
    step: int = line["step"]
    return step
