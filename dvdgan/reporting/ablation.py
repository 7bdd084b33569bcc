"""Runs side by side by the value of a key, mean and deviation over seeds (paper 4.3, Fig. 7)."""

import difflib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, TypeVar

from dvdgan.errors import UserError

Item = TypeVar("Item")

# What runs of one group may differ in.
SEEDS = ("train.seed", "evaluate.seed")
# What moves no metric.
SILENT = ("monitor.", "report.", "train.preview_every")

# None: the bundle, whatever step it was taken at.
Step = int | None


@dataclass(frozen=True)
class Run:
    """What is known of one run."""

    source: str
    settings: dict[str, Any]
    """Its params by dotted key."""
    values: dict[Step, dict[str, float | None]]
    """The metrics at each step; None: not finite."""
    protocols: dict[str, dict[str, Any]]
    """By metric, what must be equal to compare it; none where an older version kept none."""
    names: dict[str, str]
    """By metric, its full name, which says how it was measured."""

    def of(self, keys: Sequence[str]) -> tuple[Any, ...]:
        """The values of ``keys``; UserError, with the nearest known key, where one is unknown."""
        for key in keys:
            if key not in self.settings:
                nearest = difflib.get_close_matches(key, self.settings, n=1)
                raise UserError(
                    f"{self.source} has no parameter {key}",
                    todo=f"did you mean {nearest[0]}?" if nearest else "name a key of params.yaml",
                )
        return tuple(self.settings[key] for key in keys)


@dataclass(frozen=True)
class Spread:
    """One metric of the runs of a group."""

    mean: float | None
    deviation: float | None
    """Standard deviation (N - 1) over runs; one run has none."""
    runs: int
    """Those whose value is finite; without any there is no mean."""


@dataclass(frozen=True)
class Group:
    """The runs that share the values of the compared keys."""

    values: tuple[Any, ...]
    runs: int
    steps: dict[Step, dict[str, Spread]]
    """Metric by metric, at each step that all runs have measured."""

    @property
    def name(self) -> str:
        """The values in words."""
        return ", ".join(map(str, self.values))


@dataclass(frozen=True)
class Ablation:
    """All groups: in the order of their values where those are numbers, else as they came."""

    keys: tuple[str, ...]
    metrics: list[str]
    """Those that every run has; FID and IS, the paper's, first."""
    names: list[str]
    """Their full names in the first run, whose seed they may tell."""
    steps: list[Step]
    """Those that every run has measured, ascending. The table is of the last one."""
    groups: list[Group]


def ablation(runs: Sequence[Run], keys: Sequence[str]) -> Ablation:
    """Group ``runs`` by the values of ``keys``.

    Raises UserError, naming what differs, for runs that have other settings unequal or were
    measured under unequal protocols, seeds apart; for two runs of equal settings and seeds; and for
    runs that share no step or no metric.
    """
    steps = _shared("step", [run.values for run in runs])
    metrics = _shared("metric", [found for run in runs for found in run.values.values()])
    metrics.sort(key=lambda name: {"FID": 0, "IS": 1}.get(name, 2))
    _check_settings(runs, keys)
    _check_protocols(runs, metrics)
    members: dict[tuple[Any, ...], list[Run]] = defaultdict(list)
    for run in runs:
        members[run.of(keys)].append(run)
    order = list(members)
    if all(isinstance(value, int | float) for values in order for value in values):
        order.sort()
    groups = [
        Group(
            values,
            len(members[values]),
            {step: _spreads(members[values], step, metrics) for step in steps},
        )
        for values in order
    ]
    names = [runs[0].names[metric] for metric in metrics]
    return Ablation(tuple(keys), metrics, names, steps, groups)


def _spreads(runs: list[Run], step: Step, metrics: list[str]) -> dict[str, Spread]:
    spreads = {}
    for metric in metrics:
        values = [value for run in runs if (value := run.values[step][metric]) is not None]
        spreads[metric] = Spread(
            mean=fmean(values) if values else None,
            deviation=stdev(values) if len(values) > 1 else None,
            runs=len(values),
        )
    return spreads


def _check_settings(runs: Sequence[Run], keys: Sequence[str]) -> None:
    free = {*keys, *SEEDS}
    first, seen = runs[0], dict[Any, str]()
    differences = []
    for run in runs:
        mark = (run.of(keys), *(run.settings.get(seed) for seed in SEEDS))
        if mark in seen:
            raise UserError(
                "two runs have equal settings and seeds, and would count as two draws",
                where=f"{seen[mark]}; {run.source}",
                todo="name each run once; runs of other code or data do not compare",
            )
        seen[mark] = run.source
        differences += [
            f"{key}: {first.settings.get(key)} in {first.source}, {run.settings.get(key)} in "
            f"{run.source}"
            for key in sorted(first.settings.keys() | run.settings.keys())
            if key not in free
            and not key.startswith(SILENT)
            and first.settings.get(key) != run.settings.get(key)
        ]
    if differences:
        raise UserError(
            f"these runs differ in more than {', '.join(keys)} and their seeds",
            where="\n         ".join(differences),
            todo="leave out those runs, or name these keys with --by as well",
        )


def _check_protocols(runs: Sequence[Run], metrics: Sequence[str]) -> None:
    first = runs[0].protocols
    for run in runs:
        for metric in metrics:
            one, other = first.get(metric, {}), run.protocols.get(metric, {})
            # Older versions kept fewer fields, with the others at their defaults.
            unequal = [
                f"{name}: {one[name]} and {other[name]}"
                for name in one
                if name != "seed" and name in other and one[name] != other[name]
            ]
            if unequal:
                raise UserError(
                    f"{metric} of {runs[0].source} and of {run.source} do not compare",
                    where="; ".join(unequal),
                    todo="measure all runs under one protocol",
                )


def _shared(what: str, found: Sequence[Mapping[Item, Any]]) -> list[Item]:
    """The keys that all have, in the order of the first; UserError when there is none."""
    shared = [key for key in found[0] if all(key in each for each in found)]
    if not shared:
        raise UserError(
            f"these runs have no {what} in common",
            todo="name run folders alone, or metrics.json files alone, all of one kind of run",
        )
    return shared
