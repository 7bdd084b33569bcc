"""Everything that is told of a bundle: its metrics, those of the controls, curves."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from dvdgan.evaluation.conditions import Drawn, conditions
from dvdgan.evaluation.confidence import Interval, half_sampling
from dvdgan.evaluation.extraction import Extraction
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.full_measurement import measure_fully, measure_with_intervals
from dvdgan.evaluation.measurement import Measurement, Metric, measure, to_json
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.reference import RealReference
from dvdgan.export import clip_sets
from dvdgan.export.clip_sets import GENERATED, EvaluationInputs
from dvdgan.protocols import Protocol, short_name

Metrics = dict[str, Metric]


@dataclass
class Results:
    """What metrics.json holds."""

    generated: Metrics = field(default_factory=dict)
    controls: dict[str, Metrics] = field(default_factory=dict)
    truncation: list[dict[str, Any]] = field(default_factory=list)
    """FID and IS at each level, the untruncated 1 last (paper 4.4)."""
    details: dict[str, Any] = field(default_factory=dict)
    """By measurement (Measurement.key): scores of each class, diversity, clips needed for a narrow
    interval."""
    memorisation: dict[str, Any] = field(default_factory=dict)
    """By measurement, lines and videos on a line."""
    warnings: list[str] = field(default_factory=list)

    def add_control(self, who: str, measured: Measurement) -> None:
        self.controls[who] = measured.metrics | self.controls.get(who, {})

    def add_memorisation(self, protocol: str, told: dict[str, Any]) -> None:
        """Add what memorisation.examine_memorisation tells by the features of ``protocol``."""
        own = [each for each in self.generated.values() if each.conditions.protocol == protocol]
        walks = [
            f"{told[name]['lines']} lines of {told[name]['videos']} videos"
            for name in sorted(told)
            if name.startswith("interpolation_")
        ]
        clips = own[0].conditions.clips
        self.memorisation[short_name(protocol, clips, *(each.name for each in own), *walks)] = told

    def to_json(self) -> dict[str, Any]:
        told = {name: to_json(metrics) for name, metrics in self.controls.items()}
        return {
            "generated": to_json(self.generated),
            "controls": told,
            "truncation": self.truncation,
            "details": self.details,
            "memorisation": self.memorisation,
            "warnings": self.warnings,
        }


def measure_clip_sets(
    results: Results,
    inputs: EvaluationInputs,
    protocol: Protocol,
    extraction: Extraction,
    references: dict[str, RealReference],
) -> ClipFeatures | None:
    """Measure all that ``protocol`` measures of ``inputs``, and add it to ``results``.

    ``references``: the protocol's real statistics by split. Features of the generated clips; None
    in processes that only help to extract.
    """
    seeds = {f"{GENERATED}, set {each + 1}": each for each in range(protocol.sets)}
    levels = sorted(set(inputs.truncations)) if {"FID", "IS"} <= protocol.layers.keys() else []
    frozen = clip_sets.frozen_sets(inputs) if protocol.distances else {}
    controls = clip_sets.controls(inputs) if protocol.distances else {}
    made = extraction.features(
        {who: clip_sets.generated(inputs, number).clips for who, number in seeds.items()}
    )
    cut = extraction.features(
        {f"truncated {level}": clip_sets.truncated(inputs, level).clips for level in levels}
    )
    told = extraction.features({who: each.clips for who, each in (frozen | controls).items()})
    if not made:
        return None
    first, *_ = made.values()
    reference, drawn = references["train"], clip_sets.generated(inputs).drawn
    full = measure_fully(first, reference, drawn, protocol.fewest_clips)
    # What every protocol can tell (KVD, precision ...) is told by the first.
    results.generated = full.measurement.metrics | results.generated
    results.warnings += full.measurement.warnings
    classes = inputs.sampler.classes
    per_class = {classes[label]: row for label, row in full.per_class.items()}
    results.details[full.measurement.key] = {**full.details, "per_class": per_class}
    if protocol.sets > 1:
        sets = [measure(each, reference, drawn).metrics for each in made.values()]
        results.details[full.measurement.key] |= _average(results, sets)
    for who, clip_set in controls.items():
        against = references[clip_set.split]
        results.add_control(who, measure_with_intervals(told[who], against, clip_set.drawn))
    if frozen and inputs.real is not None:
        frames = _frames_metric(told, reference, inputs.real.split, drawn, protocol)
        results.generated[frames.metric] = frames
        still = measure_with_intervals(told[clip_sets.REAL_FROZEN], reference)
        results.add_control(clip_sets.REAL_FROZEN, still)
    if protocol.distances and "test" in references:
        floor = measure_fully(references["test"].kept, reference)
        results.add_control("real test clips", floor.measurement)
    points = {
        level: measure_with_intervals(
            features, reference, clip_sets.truncated(inputs, level).drawn
        ).metrics
        for level, features in zip(levels, cut.values(), strict=True)
    }
    if levels:
        points[1.0] = full.measurement.metrics
    results.truncation += [
        {"level": level, "FID": point["FID"].to_json(), "IS": point["IS"].to_json()}
        for level, point in points.items()
    ]
    results.warnings += _unequal_counts(results)
    return first


def _unequal_counts(results: Results) -> list[str]:
    """A caution for each control that is of other counts than the generated clips."""
    told = []
    for who, metrics in results.controls.items():
        for name in metrics.keys() & results.generated.keys() & {"FID", "FVD"}:
            own, other = results.generated[name].conditions, metrics[name].conditions
            if own.clips != other.clips:
                told.append(
                    f"{who}: {other.clips} clips, beside {own.clips} generated ones; of fewer "
                    "clips a Frechet distance is larger"
                )
            if (own.real_split, own.real_clips) != (other.real_split, other.real_clips):
                told.append(
                    f"{who}: against {other.real_clips} {other.real_split} clips, the generated "
                    f"ones against {own.real_clips} {own.real_split} clips"
                )
    return [line for line in dict.fromkeys(told) if line not in results.warnings]


def _average(results: Results, sets: list[Metrics]) -> dict[str, Any]:
    """In place of the metrics of one set, their mean over ``sets``; deviation: divisor N.

    The mean of n sets may be off by 1 / sqrt(n) of what one set may be. Returns the values of the
    sets, for the details.
    """
    found = {}
    for name, first in sets[0].items():
        values = torch.tensor([each[name].value for each in sets], dtype=torch.float64)
        mean, deviation = float(values.mean()), float(values.std(correction=0))
        low, high = results.generated[name].interval or (mean, mean)
        reach = (high - low) / 2 / math.sqrt(len(sets))
        told = replace(first.conditions, sets=len(sets))
        results.generated[name] = Metric(name, mean, told, (mean - reach, mean + reach))
        found[f"{name}_of_sets"] = {"values": values.tolist(), "deviation": deviation}
    return found


def _frames_metric(
    still: dict[str, ClipFeatures],
    reference: RealReference,
    split: str,
    drawn: Drawn,
    protocol: Protocol,
) -> Metric:
    """The Frechet distance of clips without motion: of frames, measured as clips are.

    ``split``: of the real clips.
    """
    layer, [name, *_] = protocol.best_layer, protocol.distances
    real = getattr(still[clip_sets.REAL_FROZEN], layer)
    made = getattr(still[clip_sets.GENERATED_FROZEN], layer)
    moments = Moments.of(real)

    def distance(chosen: torch.Tensor) -> dict[str, float]:
        return {name: frechet_distance(Moments.of(made[chosen]), moments)}

    found: Interval = half_sampling(distance, torch.arange(len(made)))[name]
    told = conditions(len(made), reference, drawn, name, layer)
    told = replace(told, real_split=split, real_clips=len(real))
    return Metric(f"{name}_frames", found.value, told, (found.low, found.high))
