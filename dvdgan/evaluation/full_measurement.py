"""All that can be said of one set of clips: the protocol's metrics and others, with intervals."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dvdgan.evaluation.conditions import NOT_DRAWN, Drawn, conditions
from dvdgan.evaluation.confidence import (
    SPLITS,
    Interval,
    clips_needed,
    half_sampling,
    proportion,
)
from dvdgan.evaluation.extrapolation import PARTS, extrapolated
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.kernel_distance import kernel_distance_interval
from dvdgan.evaluation.manifold import manifold_scores
from dvdgan.evaluation.measurement import Measurement, Metric, measure, metric_values
from dvdgan.evaluation.per_class import (
    Diversity,
    class_accuracy,
    class_frechet_distance,
    diversity,
)
from dvdgan.evaluation.reference import RealReference
from dvdgan.evaluation.suspicion import suspicions
from dvdgan.progress import Progress
from dvdgan.protocols import MINIMUM_CLIPS, PROTOCOLS, Protocol

# Where a split is costly: ten distances, or all pairs of clips. An interval then wavers more.
FEWER_SPLITS = 20
WANTED_WIDTH = 0.02


@dataclass(frozen=True)
class FullMeasurement:
    """Metrics with intervals, and what is told of each class."""

    measurement: Measurement
    per_class: dict[int, dict[str, Any]]
    """By label: accuracy with its interval, Frechet distance, diversity of generated and real."""
    details: dict[str, Any]
    """diversity_across, clips_for_2_percent: as metrics.json holds them."""


def measure_with_intervals(
    clips: ClipFeatures,
    reference: RealReference,
    drawn: Drawn = NOT_DRAWN,
    fewest_clips: int = MINIMUM_CLIPS,
) -> Measurement:
    """As `measure`, every number with a 95% interval (confidence.half_sampling).

    It tells how far the number would move with other clips of the same number, the real ones held
    fixed.
    """
    measured = measure(clips, reference, drawn, fewest_clips)
    found = _intervals(
        lambda chosen: metric_values(clips.rows(chosen), reference), len(clips), "intervals"
    )
    if "accuracy" in found:
        right = int((clips.logits.argmax(1) == clips.labels).sum())
        found["accuracy"] = proportion(right, len(clips))
    metrics = {
        name: replace(each, interval=(found[name].low, found[name].high))
        for name, each in measured.metrics.items()
    }
    return replace(measured, metrics=metrics)


def measure_fully(
    clips: ClipFeatures,
    reference: RealReference,
    drawn: Drawn = NOT_DRAWN,
    fewest_clips: int = MINIMUM_CLIPS,
) -> FullMeasurement:
    """As `measure_with_intervals`, and more: KVD, precision, recall, density, coverage, and Frechet
    distances extrapolated to infinitely many clips where clips are enough for that.

    The additions are of the protocol's chief layer; all but the last compare with the kept real
    clips.
    """
    protocol = PROTOCOLS[reference.description.protocol]
    measured = measure_with_intervals(clips, reference, drawn, fewest_clips)
    warnings = measured.warnings + suspicions(clips, reference.kept)
    layer = protocol.best_layer
    own, real = getattr(clips, layer), getattr(reference.kept, layer)
    more = _intervals(
        lambda chosen: asdict(manifold_scores(own[chosen], real)),
        len(clips),
        "intervals of precision, recall, density, coverage",
        FEWER_SPLITS,
    )
    more["KVD"] = kernel_distance_interval(own, real)
    dimensions = max(
        (getattr(clips, protocol.layers[name]).shape[1] for name in protocol.distances), default=0
    )
    if protocol.distances and len(clips) // (2 * PARTS) > dimensions:

        def distances(chosen: Tensor) -> dict[str, float]:
            found = metric_values(clips.rows(chosen), reference, protocol.distances)
            return {f"{name}_infinity": value for name, value in found.items()}

        more |= _intervals(
            partial(extrapolated, distances), len(clips), "extrapolation", FEWER_SPLITS
        )

    def metric(name: str, each: Interval) -> Metric:
        of = protocol.layers.get(name.removesuffix("_infinity"), layer)
        told = conditions(len(clips), reference, drawn, name, of)
        return Metric(name, each.value, told, (each.low, each.high))

    metrics = measured.metrics | {name: metric(name, each) for name, each in more.items()}
    variety, real_variety = (
        diversity(getattr(each, layer), each.labels) for each in (clips, reference.kept)
    )
    clips_for_2_percent = {
        name: _clips_needed(metrics[name], metrics.get(f"{name}_infinity"), len(clips))
        for name in protocol.distances
    }
    details = {
        "diversity_across": {"generated": variety.across, "real": real_variety.across},
        "clips_for_2_percent": clips_for_2_percent,
    }
    per_class = _per_class(clips, reference, protocol, variety, real_variety)
    whole = replace(measured, metrics=metrics, warnings=warnings)
    return FullMeasurement(whole, per_class, details)


def _clips_needed(metric: Metric, unbiased: Metric | None, clips: int) -> int | None:
    """For an interval of WANTED_WIDTH of the ``unbiased`` value, where that is known."""
    assert metric.interval is not None
    value = (unbiased or metric).value
    return clips_needed(Interval(value, 0.0, *metric.interval), clips, WANTED_WIDTH)


def _intervals(
    statistic: Callable[[Tensor], Mapping[str, float]],
    clips: int,
    label: str,
    splits: int = SPLITS,
) -> dict[str, Interval]:
    """half_sampling over places of clips, with a progress line: it may take minutes."""
    with Progress(label, 2 * splits + 1, "samples") as progress:

        def counted(chosen: Tensor) -> Mapping[str, float]:
            values = statistic(chosen)
            progress.advance()
            return values

        return half_sampling(counted, torch.arange(clips), splits=splits)


def _per_class(
    clips: ClipFeatures,
    reference: RealReference,
    protocol: Protocol,
    variety: Diversity,
    real_variety: Diversity,
) -> dict[int, dict[str, Any]]:
    """Without accuracy where the network's classes are not the data's."""
    layer = protocol.best_layer
    own, real = getattr(clips, layer), reference.kept
    frechet = class_frechet_distance(own, clips.labels, getattr(real, layer), real.labels)
    told = "accuracy" in protocol.layers
    return {
        label: {
            "accuracy": share.value if told else None,
            "accuracy_interval": [share.low, share.high] if told else None,
            "frechet_distance": frechet.get(label),
            "diversity": variety.within.get(label),
            "real_diversity": real_variety.within.get(label),
        }
        for label, share in class_accuracy(clips.logits, clips.labels).items()
    }
