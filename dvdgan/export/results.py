"""The results of evaluating a bundle: metrics, controls, and the truncation curve."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from dvdgan.evaluation.confidence import Interval, half_sampling
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.measurement import (
    Measurement,
    Metric,
    measure,
    measure_fully,
    measure_with_intervals,
    to_json,
)
from dvdgan.evaluation.measurement_settings import SamplingSettings, measurement_settings
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.reference import RealReference
from dvdgan.export import clip_sets
from dvdgan.export.clip_sets import EvaluationInputs
from dvdgan.protocols import Protocol, readable_name, short_name

Metrics = dict[str, Metric]


@dataclass
class Results:
    """The contents of results.json, and of metrics.json."""

    generated: Metrics = field(default_factory=dict)
    controls: dict[str, Metrics] = field(default_factory=dict)
    truncation: list[dict[str, Any]] = field(default_factory=list)
    """FID and IS at each truncation level, the untruncated 1 last (paper 4.4)."""
    details: dict[str, Any] = field(default_factory=dict)
    """By measurement (Measurement.key): scores of each class, diversity, clips needed for a narrow
    interval."""
    memorisation: dict[str, Any] = field(default_factory=dict)
    """By measurement, number of lines, and videos on a line."""
    warnings: list[str] = field(default_factory=list)

    def add_control(self, name: str, measured: Measurement) -> None:
        self.controls[name] = measured.metrics | self.controls.get(name, {})

    def add_memorisation(self, protocol: str, metrics: dict[str, Any]) -> None:
        """Add Memorisation.metrics, measured with the features of ``protocol``."""
        own = [each for each in self.generated.values() if each.settings.protocol == protocol]
        interpolations = [
            f"{metrics[name]['lines']} lines of {metrics[name]['videos']} videos"
            for name in sorted(metrics)
            if name.startswith("interpolation_")
        ]
        clips = own[0].settings.clips
        names = [each.name for each in own]
        self.memorisation[short_name(protocol, clips, *names, *interpolations)] = metrics

    def to_json(self) -> dict[str, Any]:
        return {
            "generated": to_json(self.generated),
            "controls": {name: to_json(metrics) for name, metrics in self.controls.items()},
            "truncation": self.truncation,
            "details": self.details,
            "memorisation": self.memorisation,
            "warnings": self.warnings,
        }

    def scalars(self) -> dict[str, float]:
        """The contents of metrics.json: the generated clips' values, and distances of real ones.

        Keys are flat and have no dot, as DVC's tables want them: FVD self_trained N=256 c0ff, and
        FVD_real for real test clips. The hash is shared by all metrics of a protocol, and is equal
        only for values that compare. Values have six digits: the last ones of a decomposition
        differ from run to run.
        """
        real = self.controls.get(clip_sets.REAL_TEST, {})
        distances = {name: each for name, each in real.items() if name in ("FVD", "FID")}
        return _scalars(self.generated) | _scalars(distances, "_real")


def _scalars(metrics: Metrics, suffix: str = "") -> dict[str, float]:
    full_names = defaultdict(list)
    for each in metrics.values():
        full_names[each.settings.protocol].append(each.name)

    def key(metric: Metric) -> str:
        protocol, clips = metric.settings.protocol, metric.settings.clips
        return f"{metric.metric}{suffix} {readable_name(protocol, clips, *full_names[protocol])}"

    return {key(each): float(f"{each.value:.6g}") for each in metrics.values()}


def measure_clip_sets(
    results: Results,
    inputs: EvaluationInputs,
    protocol: Protocol,
    features: Mapping[str, ClipFeatures],
    references: dict[str, RealReference],
) -> ClipFeatures:
    """Measure ``inputs`` by ``protocol`` and add the metrics to ``results``.

    ``features``: those of the clip sets, by name (clip_sets.sets_of). ``references``: the
    protocol's real statistics by split. Returns the features of the generated clips.
    """
    levels = clip_sets.truncation_levels(inputs, protocol)
    frozen = clip_sets.frozen_sets(inputs) if protocol.distances else {}
    controls = clip_sets.controls(inputs) if protocol.distances else {}
    made = [features[name] for name in clip_sets.generated_sets(protocol)]
    first = made[0]
    reference, sampling = references["train"], clip_sets.generated(inputs).sampling
    full = measure_fully(first, reference, sampling, protocol.fewest_clips)
    # Metrics of every protocol (KVD, precision, ...) are those of the first one.
    results.generated = full.measurement.metrics | results.generated
    results.warnings += full.measurement.warnings
    classes = inputs.sampler.classes
    per_class = {classes[label]: row for label, row in full.per_class.items()}
    results.details[full.measurement.key] = {**full.details, "per_class": per_class}
    if protocol.sets > 1:
        sets = [measure(each, reference, sampling).metrics for each in made]
        results.details[full.measurement.key] |= _average(results, sets)
    for name, clip_set in controls.items():
        against = references[clip_set.split]
        results.add_control(
            name, measure_with_intervals(features[name], against, clip_set.sampling)
        )
    if frozen and inputs.real is not None:
        frames = _frames_metric(features, reference, inputs.real.split, sampling, protocol)
        results.generated[frames.metric] = frames
        still = measure_with_intervals(features[clip_sets.REAL_FROZEN], reference)
        results.add_control(clip_sets.REAL_FROZEN, still)
    if protocol.distances and "test" in references:
        real = measure_fully(references["test"].kept, reference)
        results.add_control(clip_sets.REAL_TEST, real.measurement)
    points = {
        level: measure_with_intervals(
            features[clip_sets.truncated_name(level)],
            reference,
            clip_sets.truncated(inputs, level).sampling,
        ).metrics
        for level in levels
    }
    if levels:
        points[1.0] = full.measurement.metrics
    results.truncation += [
        {"level": level, "FID": point["FID"].to_json(), "IS": point["IS"].to_json()}
        for level, point in points.items()
    ]
    return first


def control_warnings(results: Results) -> list[str]:
    """Warnings for controls with other numbers of clips than the generated set.

    Controls with equal numbers share one warning.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for control, metrics in results.controls.items():
        for warning in sorted(_differences(metrics, results.generated)):
            found[warning].append(f"'{control}'")
    return [
        warning.format("the control " + names[0])
        if len(names) == 1
        else warning.format(f"each of the controls {', '.join(names[:-1])} and {names[-1]}")
        for warning, names in found.items()
    ]


def _differences(control: Metrics, generated: Metrics) -> set[str]:
    """Sentences with {} in place of the control's name."""
    found = set()
    for name in control.keys() & generated.keys() & {"FID", "FVD"}:
        other, own = control[name].settings, generated[name].settings
        if other.clips != own.clips:
            found.add(
                f"{{}} has {other.clips} clips, the generated set {own.clips}; fewer clips inflate "
                "a Frechet distance"
            )
        real = [f"{each.real_clips} {each.real_split} clips" for each in (other, own)]
        if real[0] != real[1]:
            found.add(f"{{}} is compared with {real[0]}, the generated set with {real[1]}")
    return found


def _average(results: Results, sets: list[Metrics]) -> dict[str, Any]:
    """Replace the metrics of one set by their mean over ``sets``; deviation: divisor N.

    The interval of the mean of n sets is 1 / sqrt(n) of that of one set. Returns the values of the
    sets, for Results.details.
    """
    found = {}
    for name, first in sets[0].items():
        values = torch.tensor([each[name].value for each in sets], dtype=torch.float64)
        mean, deviation = float(values.mean()), float(values.std(correction=0))
        low, high = results.generated[name].interval or (mean, mean)
        reach = (high - low) / 2 / math.sqrt(len(sets))
        settings = replace(first.settings, sets=len(sets))
        results.generated[name] = Metric(name, mean, settings, (mean - reach, mean + reach))
        found[f"{name}_of_sets"] = {"values": values.tolist(), "deviation": deviation}
    return found


def _frames_metric(
    still: Mapping[str, ClipFeatures],
    reference: RealReference,
    split: str,
    sampling: SamplingSettings,
    protocol: Protocol,
) -> Metric:
    """Frechet distance of clips without motion: a distance of frames by the network of clips.

    ``split``: that of the real clips.
    """
    layer, [name, *_] = protocol.best_layer, protocol.distances
    real = getattr(still[clip_sets.REAL_FROZEN], layer)
    made = getattr(still[clip_sets.GENERATED_FROZEN], layer)
    moments = Moments.of(real)

    def distance(chosen: torch.Tensor) -> dict[str, float]:
        return {name: frechet_distance(Moments.of(made[chosen]), moments)}

    found: Interval = half_sampling(distance, torch.arange(len(made)))[name]
    settings = measurement_settings(len(made), reference, sampling, name, layer)
    settings = replace(settings, real_split=split, real_clips=len(real))
    return Metric(f"{name}_frames", found.value, settings, (found.low, found.high))
