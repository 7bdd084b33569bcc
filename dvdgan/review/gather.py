"""Gathers everything a review shows of a base revision and the working tree."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvdgan.config import parse_config, warnings
from dvdgan.config.reference import meanings
from dvdgan.errors import UserError
from dvdgan.guard.origin import flat
from dvdgan.reporting.metric_comparison import MetricComparison, compare_metrics
from dvdgan.review import changes, costs, metrics, presets
from dvdgan.review.changes import ParamChange, StageChange
from dvdgan.review.costs import Speed, TrainingCost, Work
from dvdgan.review.disk import DiskUse, disk_use
from dvdgan.review.pipeline import PARAMS, PipelineRevision, read_artefact, read_pipelines
from dvdgan.review.presets import Closeness, KnownPreset, PresetChange
from dvdgan.review.revisions import base_revision
from dvdgan.review.samples import MODEL, draw_samples

NOT_OF_THESE_PARAMS = "dvc.lock does not match its params; run `dvc repro` and commit dvc.lock"
PRESETS = "presets"
TRAIN, PROTOCOLS = "train", "features.protocols"


@dataclass(frozen=True)
class Prices:
    """On what the model is trained, and at which price."""

    devices: int = 1
    per_hour: float | None = None
    """Of one device; None or 0: no price is shown."""


@dataclass(frozen=True)
class BeforeAndNow:
    """A quantity before and now; None if it is unknown."""

    old: Any
    new: Any


@dataclass(frozen=True)
class Review:
    """What a change of the pipeline does."""

    base: str
    """Commit."""
    params: list[ParamChange]
    meanings: Mapping[str, str]
    paper: Mapping[str, Any]
    """Changed key -> the paper's value, ABSENT where it has none; see paper_value."""
    experiment: KnownPreset | None
    """The paper's experiment that is near to these params; None: none is."""
    changed_presets: list[PresetChange]
    left: list[KnownPreset]
    """Presets of the base that its params were equal to, and that these are not equal to."""
    matched: list[KnownPreset]
    """Presets that they are equal to now."""
    nearest: Closeness | None
    order: list[str]
    """All stages."""
    stages: list[StageChange]
    """Those that run again."""
    stale: list[StageChange]
    """Those that dvc.lock has with other params or code."""
    is_locked: BeforeAndNow
    """Whether there is a dvc.lock."""
    data: list[str]
    """Raw data that dvc.lock has another version of."""
    disk: list[DiskUse]
    training: tuple[TrainingCost | None, TrainingCost] | None
    """None if the model is not trained again, or the params are refused."""
    work: list[tuple[Work, Work]]
    speed: Speed | None
    prices: Prices
    is_measured_again: bool
    """Whether the stage that measures the metrics runs again."""
    metrics: list[MetricComparison] | None
    """None if one side has no results, or the metrics are not measured again."""
    without_metrics: Mapping[str, str]
    """Side without results -> why."""
    restorable: list[str]
    """Stages whose results DVC's run cache has, though dvc.lock has others."""
    refused: str | None
    """What `dvdgan check` says of these params; None: they are in order."""
    samples: bytes | str | None
    """GIF of clips before and now; or why there is none; None: the model is the same."""
    new_warnings: list[str] = field(default_factory=list)
    """Warnings of `dvdgan check` that the base did not have."""


def gather(folder: Path, base: str | None, prices: Prices, draws: bool = False) -> Review:
    """Compare the working tree of ``folder`` with ``base``; see base_revision for None.

    ``draws``: also draw samples. Raises UserError if either cannot be read.
    """
    if not (folder / PARAMS).is_file():
        raise UserError(
            f"{PARAMS} does not exist here",
            where=str((folder / PARAMS).absolute()),
            todo="run the command in the folder with params.yaml",
        )
    revision = base_revision(folder, base)
    before, now = read_pipelines(folder, revision)
    known = presets.read_presets(folder / PRESETS)
    other = presets.changed_presets(folder, revision, PRESETS, known)
    unlike = [each.now for each in other]
    known_before = [each for each in known if each not in unlike]
    known_before += [each.before for each in other if each.before is not None]
    old, new = flat(before.params), flat(now.params)
    matched = presets.equal_to(new, known)
    params = changes.changed_params(before.params, now.params)
    stages = changes.changed_stages(before, now)
    again = {each.stage for each in stages}
    refused, found = _checked(now.params)
    trains = refused is None and TRAIN in again
    training = _training(folder, before, now, prices) if trains else None
    is_measured_again = any(now.produced.get(path) in again for path in metrics.FILES)
    results = {}
    if is_measured_again:
        results["the base"] = _results(folder, revision, before)
        results["the working tree"] = _results(folder, None, now)
    measured = [each for each in results.values() if not isinstance(each, str)]
    return Review(
        base=revision,
        params=params,
        meanings=meanings(),
        paper={each.key: presets.paper_value(each.key, new, known) for each in params},
        experiment=presets.near_experiment(new, known),
        changed_presets=other,
        left=[each for each in presets.equal_to(old, known_before) if each not in matched],
        matched=matched,
        nearest=presets.closest(new, known),
        order=[stage.name for stage in now.stages],
        stages=stages,
        stale=changes.stale_stages(now),
        is_locked=BeforeAndNow(before.is_locked, now.is_locked),
        data=changes.changed_data(before, now),
        disk=disk_use(before, now, again),
        training=training,
        work=_work(before, now) if refused is None else [],
        speed=None if training is None else costs.measured_speed(folder, training[1]),
        prices=prices,
        is_measured_again=is_measured_again,
        metrics=compare_metrics(*measured) if len(measured) == 2 else None,
        without_metrics={side: each for side, each in results.items() if isinstance(each, str)},
        restorable=[stage.name for stage in now.stages if stage.is_restorable],
        refused=refused,
        samples=_samples(folder, revision, before, now, draws)
        if now.produced.get(MODEL) in again
        else None,
        new_warnings=[line for line in found if line not in _checked(before.params)[1]],
    )


def _checked(params: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """Why params are refused, and the warnings where they are not."""
    try:
        return None, warnings(parse_config(params))
    except UserError as error:
        return str(error), []


def _training(
    folder: Path, before: PipelineRevision, now: PipelineRevision, prices: Prices
) -> tuple[TrainingCost | None, TrainingCost]:
    new = costs.training_cost(now.params, prices.devices, folder)
    if _checked(before.params)[0] is not None:  # written for an older schema
        return None, new
    return costs.training_cost(before.params, prices.devices, folder), new


def _work(before: PipelineRevision, now: PipelineRevision) -> list[tuple[Work, Work]]:
    if _checked(before.params)[0] is not None:
        return []
    pairs = zip(costs.other_work(before.params), costs.other_work(now.params), strict=True)
    return [(old, new) for old, new in pairs if old != new]


def _results(folder: Path, revision: str | None, at: PipelineRevision) -> dict[str, Any] | str:
    """The results at a revision, or why there are none."""
    outdated, reason = changes.outdated_stages(at), ""
    for path in metrics.FILES:
        if at.produced.get(path) in outdated:
            return NOT_OF_THESE_PARAMS
        data = read_artefact(folder, revision, path)
        found = data if isinstance(data, str) else metrics.read_generated(data)
        if isinstance(found, dict):
            return found
        reason = found or f"{path} has no protocols"
    return reason


def _samples(
    folder: Path, base: str, before: PipelineRevision, now: PipelineRevision, draws: bool
) -> bytes | str | None:
    for name, at in (("the base", before), ("the working tree", now)):
        if not at.is_locked or at.produced.get(MODEL) in changes.outdated_stages(at):
            return f"no results of {name}: {NOT_OF_THESE_PARAMS}"
    if before.output_hash(MODEL) == now.output_hash(MODEL):
        return None
    if not draws:
        return "give `--write FILE.md`; it is written to the same folder"
    return draw_samples(folder, base, now.params)
