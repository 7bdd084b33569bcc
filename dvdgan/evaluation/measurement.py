"""The metrics of one set of clips against real ones: values, 95% intervals, and how measured."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.evaluation.confidence import (
    SPLITS,
    Interval,
    clips_needed,
    half_sampling,
    proportion,
)
from dvdgan.evaluation.extrapolation import PARTS, extrapolated
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.inception_score import inception_score
from dvdgan.evaluation.input_warnings import input_warnings
from dvdgan.evaluation.kernel_distance import kernel_distance_interval
from dvdgan.evaluation.manifold import manifold_scores
from dvdgan.evaluation.measurement_settings import (
    NOT_GENERATED,
    MeasurementSettings,
    SamplingSettings,
    measurement_settings,
)
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.per_class import (
    Diversity,
    class_accuracy,
    class_frechet_distance,
    diversity,
)
from dvdgan.evaluation.reference import RealReference
from dvdgan.progress import Progress
from dvdgan.protocols import LOGITS, MINIMUM_CLIPS, POOLED, PROTOCOLS, Protocol, short_name

# For statistics that are costly to split: ten distances, or all pairs of clips. Fewer splits give a
# less certain interval.
FEWER_SPLITS = 20
TARGET_RELATIVE_WIDTH = 0.02


@dataclass(frozen=True)
class Metric:
    """The value of one metric, and how it was measured."""

    metric: str
    value: float
    settings: MeasurementSettings
    interval: tuple[float, float] | None = None
    """95% confidence interval; None if it was not computed."""

    @property
    def name(self) -> str:
        """The metric's full name, such as FVD[self_trained: small_i3d@1a2b3c4d logits, ...]."""
        return f"{self.metric}[{self.settings.name}]"

    @property
    def key(self) -> str:
        """Short form of the full name: protocol, clips, hash, as FVD[self_trained,256,5e6f7a8b]."""
        settings = self.settings
        return f"{self.metric}[{short_name(settings.protocol, settings.clips, settings.name)}]"

    def to_json(self) -> dict[str, Any]:
        """The value, its interval, the full name and every field of the settings."""
        fields: dict[str, Any] = {
            "value": self.value,
            "name": self.name,
            "protocol": asdict(self.settings),
        }
        return fields if self.interval is None else fields | {"interval": list(self.interval)}


@dataclass(frozen=True)
class Measurement:
    """The metrics of one set of clips, by name, and warnings about their inputs."""

    metrics: dict[str, Metric]
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The metrics by key, as in results.json, without the warnings."""
        return to_json(self.metrics)

    @property
    def key(self) -> str:
        """Identifies the measurement: equal only for measurements whose values compare."""
        first = next(iter(self.metrics.values())).settings
        names = [metric.name for metric in self.metrics.values()]
        return short_name(first.protocol, first.clips, *names)


@dataclass(frozen=True)
class FullMeasurement:
    """Metrics with intervals, and the results for each class."""

    measurement: Measurement
    per_class: dict[int, dict[str, Any]]
    """By label: accuracy with its interval, Frechet distance, diversity of generated and real."""
    details: dict[str, Any]
    """diversity_across, clips_for_2_percent: as in results.json."""


def to_json(metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """Each metric under its key."""
    return {metric.key: metric.to_json() for metric in metrics.values()}


def measure(
    clips: ClipFeatures,
    reference: RealReference,
    sampling: SamplingSettings = NOT_GENERATED,
    fewest_clips: int = MINIMUM_CLIPS,
) -> Measurement:
    """The metrics of the reference's protocol for ``clips``, against the real statistics.

    FID compares pooled features (paper 4.1), FVD logits (Unterthiner et al. 2018); IS is computed
    from the logits; accuracy (0..1) is the share of clips that the network assigns to their label.
    Raises UserError below ``fewest_clips``, and for features that are not finite.
    """
    if len(clips) < fewest_clips:
        raise UserError(
            f"{len(clips)} clips are too few for {reference.description.protocol}",
            todo=f"use at least {fewest_clips}, preferably several thousand",
        )
    _refuse_non_finite(clips)
    layers = PROTOCOLS[reference.description.protocol].layers
    count = len(clips)
    metrics = {
        name: Metric(
            name, value, measurement_settings(count, reference, sampling, name, layers[name])
        )
        for name, value in metric_values(clips, reference).items()
    }
    return Measurement(metrics, _count_warnings(clips, reference))


def measure_with_intervals(
    clips: ClipFeatures,
    reference: RealReference,
    sampling: SamplingSettings = NOT_GENERATED,
    fewest_clips: int = MINIMUM_CLIPS,
) -> Measurement:
    """As `measure`, each value with its 95% interval (confidence.half_sampling).

    The interval covers the choice of the measured clips; the real clips are fixed.
    """
    measured = measure(clips, reference, sampling, fewest_clips)
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
    sampling: SamplingSettings = NOT_GENERATED,
    fewest_clips: int = MINIMUM_CLIPS,
) -> FullMeasurement:
    """As `measure_with_intervals`, with further metrics of the protocol's main layer.

    KVD, precision, recall, density and coverage are against the kept real clips. Frechet distances
    extrapolated to infinitely many clips are added where there are enough clips.
    """
    protocol = PROTOCOLS[reference.description.protocol]
    measured = measure_with_intervals(clips, reference, sampling, fewest_clips)
    warnings = measured.warnings + input_warnings(clips, reference.kept)
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
        own_layer = protocol.layers.get(name.removesuffix("_infinity"), layer)
        settings = measurement_settings(len(clips), reference, sampling, name, own_layer)
        return Metric(name, each.value, settings, (each.low, each.high))

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


def metric_values(
    clips: ClipFeatures, reference: RealReference, names: Iterable[str] | None = None
) -> dict[str, float]:
    """The values of the metrics ``names``; None: all of the reference's protocol."""
    formulas = {
        "FVD": lambda: frechet_distance(Moments.of(clips.logits), reference.logits),
        "FID": lambda: frechet_distance(Moments.of(clips.pooled), reference.pooled),
        "IS": lambda: inception_score(clips.logits),
        "accuracy": lambda: float((clips.logits.argmax(1) == clips.labels).double().mean()),
    }
    if names is None:
        names = PROTOCOLS[reference.description.protocol].layers
    return {name: formulas[name]() for name in names}


def compare(one: Metric, other: Metric) -> float:
    """``other`` minus ``one``. Raises UserError, naming the difference, for unequal settings."""
    if one.metric != other.metric:
        raise UserError(f"{one.metric} and {other.metric} are different metrics")
    unequal = one.settings.differences(other.settings)
    if unequal:
        raise UserError(
            f"these two values of {one.metric} are not comparable",
            where="; ".join(unequal),
            todo="measure both with the same protocol",
        )
    return other.value - one.value


def _refuse_non_finite(clips: ClipFeatures) -> None:
    finite = clips.pooled.isfinite().all(dim=1) & clips.logits.isfinite().all(dim=1)
    if not finite.all():
        raise UserError(
            f"the features of {int((~finite).sum())} of {len(clips)} clips are not finite",
            todo="check the network's weights: the clips are uint8 and cannot cause this",
        )


def _count_warnings(clips: ClipFeatures, reference: RealReference) -> list[str]:
    """One for each count of clips that is small for the dimensions of a Frechet distance."""
    moments = {POOLED: reference.pooled, LOGITS: reference.logits}
    warnings = []
    for metric, layer in PROTOCOLS[reference.description.protocol].layers.items():
        if metric not in ("FVD", "FID"):
            continue
        dimensions = len(moments[layer].mean)
        counts = ((len(clips), "measured"), (reference.clips, f"real {reference.split}"))
        for count, kind in counts:
            if count < 2 * dimensions:
                singular = "the covariance is singular and " if count <= dimensions else ""
                warnings.append(
                    f"{metric}: {count} {kind} clips for {dimensions} feature dimensions; "
                    f"{singular}the value is biased upwards"
                )
    return warnings


def _clips_needed(metric: Metric, unbiased: Metric | None, clips: int) -> int | None:
    """For an interval of TARGET_RELATIVE_WIDTH of the ``unbiased`` value, where it is known."""
    assert metric.interval is not None
    value = (unbiased or metric).value
    return clips_needed(Interval(value, 0.0, *metric.interval), clips, TARGET_RELATIVE_WIDTH)


def _intervals(
    statistic: Callable[[Tensor], Mapping[str, float]],
    clips: int,
    label: str,
    splits: int = SPLITS,
) -> dict[str, Interval]:
    """half_sampling over the indices of clips, with a progress line: it may take minutes."""
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
    """Scores by label, without accuracy where the network's classes are not the data's."""
    layer = protocol.best_layer
    own, real = getattr(clips, layer), reference.kept
    frechet = class_frechet_distance(own, clips.labels, getattr(real, layer), real.labels)
    with_accuracy = "accuracy" in protocol.layers
    return {
        label: {
            "accuracy": share.value if with_accuracy else None,
            "accuracy_interval": [share.low, share.high] if with_accuracy else None,
            "frechet_distance": frechet.get(label),
            "diversity": variety.within.get(label),
            "real_diversity": real_variety.within.get(label),
        }
        for label, share in class_accuracy(clips.logits, clips.labels).items()
    }
