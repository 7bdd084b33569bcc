"""Recorded training runs, healthy and collapsing, as the guard would have seen them.

benchmarks/collapse made them. They are in histories/fit.jsonl.gz, on which the
thresholds may be found, and histories/held_out.jsonl.gz, on which they may not: a run a line.
"""

import gzip
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dvdgan.config.guard import Guard
from dvdgan.guard.health import (
    COLLAPSED,
    WARMING_UP,
    Baseline,
    EvaluationRecord,
    judge,
    training_health,
)
from dvdgan.guard.health import HEALTHY as GOOD

FOLDER = Path(__file__).parent / "histories"
SPLITS = ("fit", "held_out")
HEALTHY, TOO_BOLD = "healthy", "too bold"
NONE, MILD, COLLAPSE, NEVER = "none", "mild", "collapse", "never learned"

Line = dict[str, Any]


@dataclass(frozen=True, eq=False)  # one of its kind, and hashed as such
class History:
    """One run. It begins anew, or goes on from ``begin`` steps of another one, its trunk."""

    name: str
    about: Line
    """What it was trained on and with."""
    kind: str
    """Of fault; healthy, too bold: none."""
    variant: str
    hard: bool
    """The fault destroys numbers rather than harm the training."""
    harm: str
    """What became of it: none, mild, collapse, never learned (benchmarks/collapse/assemble.py)."""
    shown: int | None
    """The step of the evaluation since which all show harm, or of the failure; None: no harm."""
    onset: int
    """First step under the fault; without one, that of the first evaluation of a collapse, or 1
    where the run never learned; 0: none."""
    begin: int
    end: int
    """Last finished step."""
    period: int
    """Steps between evaluations."""
    records: list[EvaluationRecord]
    """Of the trunk up to ``begin``, and its own."""
    baseline: Baseline | None
    """None of the oldest recordings, which were made before it was measured."""
    failure: int | None
    """The step at which the trainer met a number that is not finite, and stopped."""

    @property
    def injected(self) -> bool:
        return self.kind not in (HEALTHY, TOO_BOLD)

    @property
    def collapses(self) -> bool:
        return self.harm == COLLAPSE

    @property
    def healthy_steps(self) -> int:
        """Its own steps on which nothing was wrong with it."""
        return (self.onset - 1 if self.onset else self.end) - self.begin

    def states(self, guard: Guard) -> list[tuple[int, str]]:
        """Step and verdict of each of its own records."""
        return _states(self, guard)

    def called_good(self, guard: Guard) -> list[int]:
        """Its own steps that were judged healthy, up to the end that the guard put to the run."""
        ended = self.noticed(guard) or self.end
        return [step for step, state in self.states(guard) if state == GOOD and step <= ended]

    def noticed(self, guard: Guard) -> int | None:
        """The first of its own steps at which the guard calls the run collapsed or never learned;
        None: at none."""
        good = self.baseline is None  # else nobody knows whether it ever learned
        for step, state in self.states(guard):
            good |= state == GOOD
            late = step >= guard.warm_up * self.end and state == WARMING_UP
            if state == COLLAPSED or (not good and (late or step == self.end)):
                return step
        return self.failure


@cache
def read(split: str) -> list[History]:
    """The histories of fit or of held_out."""
    with gzip.open(FOLDER / f"{split}.jsonl.gz", "rt", encoding="utf-8") as lines:
        runs: dict[str, Line] = {each["name"]: each for each in map(json.loads, lines)}
    return [_history(each, runs.get(each["trunk"])) for each in runs.values()]


@cache
def _states(run: History, guard: Guard) -> list[tuple[int, str]]:
    return [
        (record.step, judge(run.records[:count], guard, run.baseline).state)
        for count, record in enumerate(run.records, start=1)
        if record.step > run.begin
    ]


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
        records=list(_records(telemetry, spectra, evaluations)),
        baseline=Baseline.of(own["baseline"]) if own.get("baseline") else None,
        failure=None if failure is None else failure["step"],
    )


def _records(
    telemetry: list[Line], spectra: list[Line], measured: list[Line]
) -> Iterator[EvaluationRecord]:
    """As guard.evaluation_scheduler does for a run whose every checkpoint was evaluated."""
    after = 0
    for each in measured:
        step = each["step"]
        steps = telemetry[bisect_right(telemetry, after, key=_step) :]
        steps = steps[: bisect_right(steps, step, key=_step)]
        known = spectra[bisect_left(spectra, after, key=_step) :]
        known = known[: bisect_right(known, step, key=_step)]
        training = training_health(steps, known)
        intervals = each.get("intervals", {})
        yield EvaluationRecord(step, each["metrics"], each["health"], training, intervals)
        after = step


def _rows(columns: dict[str, list[Any]]) -> Iterator[Line]:
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def _until(step: int, lines: list[Line]) -> list[Line]:
    return [line for line in lines if line["step"] <= step]


def _step(line: Line) -> int:
    step: int = line["step"]
    return step
