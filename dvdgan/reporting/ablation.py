"""Ablations: runs grouped by parameters, mean and deviation over seeds (paper 4.3, Fig. 7)."""

import difflib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, TypeVar

from dvdgan.config import load_config
from dvdgan.config.schema import RunSettings
from dvdgan.errors import UserError
from dvdgan.guard import ledger
from dvdgan.guard.run_folder import RunFolder
from dvdgan.reporting.scores import GENERATED, metrics_by_name
from dvdgan.storage.local import read_json

KeyT = TypeVar("KeyT")

# The keys in which runs of one group may differ.
SEEDS = ("train.seed", "evaluate.seed")
# Keys that affect no metric.
WITHOUT_EFFECT = ("monitor.", "report.", "train.preview_every")

_SEED = re.compile(r", seed \d+")
RESULTS, PARAMS = "results.json", "params.yaml"

# None: the bundle, at whatever step.
Step = int | None


@dataclass(frozen=True)
class Run:
    """The params and metrics of one run."""

    source: str
    settings: dict[str, Any]
    """Its params by dotted key."""
    values: dict[Step, dict[str, float | None]]
    """The metrics by step; None: not finite."""
    protocols: dict[str, dict[str, Any]]
    """By metric, the settings that must be equal to compare it; empty for older versions."""
    names: dict[str, str]
    """By metric, its full name, which contains how it was measured."""

    def values_of(self, keys: Sequence[str]) -> tuple[Any, ...]:
        """The values of ``keys``; UserError, with the most similar key, for an unknown one."""
        for key in keys:
            if key not in self.settings:
                nearest = difflib.get_close_matches(key, self.settings, n=1)
                raise UserError(
                    f"{self.source} has no parameter {key}",
                    todo=f"did you mean {nearest[0]}?" if nearest else "give a key of params.yaml",
                )
        return tuple(self.settings[key] for key in keys)


@dataclass(frozen=True)
class Spread:
    """One metric of the runs of a group."""

    mean: float | None
    deviation: float | None
    """Standard deviation (N - 1) over runs; one run has none."""
    runs: int
    """Number of runs with a finite value; the mean is None if it is 0."""


@dataclass(frozen=True)
class Group:
    """The runs with equal values of the compared keys."""

    values: tuple[Any, ...]
    runs: int
    steps: dict[Step, dict[str, Spread]]
    """By step that all runs have measured, then by metric."""

    @property
    def name(self) -> str:
        """The values as text."""
        return ", ".join(map(str, self.values))


@dataclass(frozen=True)
class Ablation:
    """All groups, sorted by their values if those are numbers, else in the order of the runs."""

    keys: tuple[str, ...]
    metrics: list[str]
    """Metrics of all runs; FID and IS, the paper's, first."""
    names: list[str]
    """Their full names in the first run, with that run's seed."""
    steps: list[Step]
    """Steps that all runs have measured, ascending; the table shows the last one."""
    groups: list[Group]


def read_run(path: Path) -> Run:
    """Read the run at ``path``.

    A results.json of `dvdgan evaluate` with its params.yaml in the same folder, or this folder; a
    working copy of the project, with params.yaml and artifacts/evaluate/results.json; or
    .runs/train/RUN, whose ledger holds the metrics of every checkpoint. Raises UserError for
    anything else.
    """
    if path.is_file():
        return _bundle(path, path.with_name(PARAMS))
    folder = RunFolder(path)
    if folder.settings.is_file():
        return _checkpoints(folder)
    for metrics in (path / RESULTS, path / "artifacts" / "evaluate" / RESULTS):
        if metrics.is_file():
            return _bundle(metrics, path / PARAMS)
    raise UserError(
        f"{path} is not a run" if path.exists() else f"{path} is not there",
        where="it holds neither settings.json (a run folder) nor results.json",
        todo="name .runs/train/RUN, a results.json of `dvdgan evaluate`, or the folder of one",
    )


def compare_runs(runs: Sequence[Run], keys: Sequence[str]) -> Ablation:
    """Group ``runs`` by the values of ``keys``.

    Raises UserError, with the differences, for runs that differ in other settings or protocols than
    ``keys`` and seeds; for two runs of equal settings and seeds; and for runs without a common step
    or metric.
    """
    steps = _shared("step", [run.values for run in runs])
    metrics = _shared("metric", [found for run in runs for found in run.values.values()])
    metrics.sort(key=lambda name: {"FID": 0, "IS": 1}.get(name, 2))
    _check_settings(runs, keys)
    _check_protocols(runs, metrics)
    members: dict[tuple[Any, ...], list[Run]] = defaultdict(list)
    for run in runs:
        members[run.values_of(keys)].append(run)
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
        identity = (run.values_of(keys), *(run.settings.get(seed) for seed in SEEDS))
        if identity in seen:
            raise UserError(
                "two runs have equal settings and seeds, and would count as two samples",
                where=f"{seen[identity]}; {run.source}",
                todo="name each run once; runs of other code or data do not compare",
            )
        seen[identity] = run.source
        differences += [
            f"{key}: {first.settings.get(key)} in {first.source}, {run.settings.get(key)} in "
            f"{run.source}"
            for key in sorted(first.settings.keys() | run.settings.keys())
            if key not in free
            and not key.startswith(WITHOUT_EFFECT)
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


def _shared(what: str, found: Sequence[Mapping[KeyT, Any]]) -> list[KeyT]:
    """The keys that all have, in the order of the first; UserError if there is none."""
    shared = [key for key in found[0] if all(key in each for each in found)]
    if not shared:
        raise UserError(
            f"these runs have no {what} in common",
            todo="name run folders alone, or results.json files alone, all of one kind of run",
        )
    return shared


def _bundle(metrics: Path, params: Path) -> Run:
    if not params.is_file():
        raise UserError(
            f"{metrics} has no params.yaml, so what was measured is not known",
            where=str(params),
            todo="put the params.yaml of that run there, or name the folder that holds it",
        )
    try:
        generated = metrics_by_name(read_json(metrics)[GENERATED])
        return Run(
            source=str(metrics),
            settings=_flat(load_config(params).model_dump()),
            values={None: {name: found["value"] for name, found in generated.items()}},
            protocols={name: found["protocol"] for name, found in generated.items()},
            names={name: found["name"] for name, found in generated.items()},
        )
    except (AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        raise UserError(
            f"{metrics} is not what `dvdgan evaluate` writes",
            where=f"{type(error).__name__}: {error}",
        ) from error


def _checkpoints(folder: RunFolder) -> Run:
    try:
        settings = RunSettings.model_validate_json(folder.settings.read_text("utf-8"))
        evaluated = ledger.evaluations(ledger.read(folder.ledger))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder.root} is not a run of this version of dvdgan", where=str(error)
        ) from error
    if not evaluated:
        raise UserError("no checkpoint of this run was evaluated", where=str(folder.root))
    names = _names(folder, evaluated)
    clips = settings.train.guard.samples
    by = f"{settings.protocol}, {clips} clips of each checkpoint"
    # Older versions recorded no full names.
    bare = {name: f"{name}[{by}]" for event in evaluated for name in event["metrics"]}
    return Run(
        source=str(folder.root),
        settings=_flat(settings.model_dump(exclude={"fingerprint"})),
        values={event["step"]: event["metrics"] for event in evaluated},
        protocols={metric: {"measured as": _SEED.sub("", name)} for metric, name in names.items()},
        names=bare | names,
    )


def _names(folder: RunFolder, evaluated: list[ledger.Event]) -> dict[str, str]:
    """The full name of each metric; UserError if a metric of the run has two names."""
    names: dict[str, str] = {}
    for event in evaluated:
        for metric, name in event.get("names", {}).items():
            if names.setdefault(metric, name) != name:
                raise UserError(
                    f"{metric} of this run was measured in two ways",
                    where=f"{folder.ledger}: {names[metric]} and {name}",
                    todo="compare the bundles: name results.json files",
                )
    return names


def _flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return flat
