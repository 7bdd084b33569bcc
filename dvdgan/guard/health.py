"""From the readings of a run to a verdict: a pure function, in words and figures.

docs/collapse.md tells how each threshold was found, and how often it was right.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dvdgan.guard.evaluation_record import Baseline, EvaluationRecord, Numbers
from dvdgan.guard.training_health import DISCRIMINATORS

if TYPE_CHECKING:
    from dvdgan.config.guard import Guard, Thresholds

WARMING_UP, HEALTHY, SUSPECT, COLLAPSED = "warming_up", "healthy", "suspect", "collapsed"

DISTANCES = ("FVD", "FID")
SPREADS = ("IS", "accuracy", "diversity", "class_diversity")
DEFECTS = ("near_duplicates", "static", "uniform", "saturated", "flickering")
GRADIENTS = ("generator_gradient", "spatial_gradient", "temporal_gradient")
BURSTS = ("generator_burst", "spatial_burst", "temporal_burst")
SINGULAR_VALUES = ("generator_singular_values", "discriminators_singular_values")

# More diverse than real clips is no merit: a generator that confuses classes is, within each.
CAPPED = ("diversity", "class_diversity")


@dataclass(frozen=True)
class Verdict:
    """warming_up | healthy | suspect | collapsed, why, and the step of the first reading that
    showed it."""

    state: str
    reasons: list[str] = field(default_factory=list)
    began: int | None = None


def judge(
    readings: Sequence[EvaluationRecord], guard: "Guard", baseline: Baseline | None = None
) -> Verdict:
    """Judge the last of ``readings``, those of one run in the order of steps.

    A number that is not finite is a collapse at once. Any other sign makes the reading suspect, and
    a collapse when guard.patience readings in a row are. Most signs compare a reading with earlier
    ones of the same run that were not suspect. Once suspect, a run recovers only when every sign is
    back half the way to its threshold.

    Without a sign, a reading is healthy where its samples are clearly nearer to real clips than
    those of the untrained generator in ``baseline``, and warming up where they are not; without a
    baseline (a ledger begun before it was measured) it is healthy.
    """
    narrow, factor = _half_way(guard.thresholds), guard.thresholds.baseline_factor
    floors = _floors(baseline, guard.thresholds)
    healthy: list[EvaluationRecord] = []
    steady: list[EvaluationRecord] = []
    suspect: list[EvaluationRecord] = []
    verdict = Verdict(WARMING_UP)
    for reading in readings:
        if broken := _not_finite(reading):
            verdict = Verdict(COLLAPSED, [broken], (suspect or [reading])[0].step)
            continue
        limits = narrow if suspect else guard.thresholds
        reasons = _reasons(reading, healthy, steady, limits, floors)
        limit = math.inf if baseline is None else max(factor, 1.0) * baseline.untrained.value
        if healthy and reading.distance.value > limit:
            reasons.append(_worse_than_untrained(reading, limit))
        if not reasons:
            steady.append(reading)
            suspect.clear()
            if baseline is None or reading.distance.clearly_below(baseline.untrained, factor):
                healthy.append(reading)
                verdict = Verdict(HEALTHY)
            else:
                verdict = Verdict(WARMING_UP)
            continue
        suspect.append(reading)
        if len(suspect) < guard.patience:
            verdict = Verdict(SUSPECT, reasons, suspect[0].step)
        else:
            reasons[0] += f"; {len(suspect)} readings in a row are suspect"
            verdict = Verdict(COLLAPSED, reasons, suspect[0].step)
    return verdict


def _worse_than_untrained(reading: EvaluationRecord, limit: float) -> str:
    return (
        f"FVD {reading.distance.value:.4g} at step {reading.step} is higher than that of the "
        f"untrained generator, {limit:.4g}"
    )


def _floors(baseline: Baseline | None, limits: "Thresholds") -> dict[str, float]:
    """What the lowest value of each distance counts as at least."""
    known = {} if baseline is None else _known(baseline.metrics)
    return {name: limits.distance_floor * value for name, value in known.items()}


def alarming(
    reading: EvaluationRecord, readings: Sequence[EvaluationRecord], guard: "Guard"
) -> bool:
    """Whether a checkpoint whose samples were not measured had better be, after ``readings``."""
    found = _reasons(reading, readings, readings, guard.thresholds, {})
    return bool(_not_finite(reading)) or bool(found)


def _half_way(thresholds: "Thresholds") -> "Thresholds":
    """Half the way back to where nothing is wrong: to ratios of 1, and rises of 0."""
    ratios = [name for name in type(thresholds).model_fields if name.endswith("_ratio")]
    changes = {name: math.sqrt(getattr(thresholds, name)) for name in ratios}
    return thresholds.model_copy(update=changes | {"defect_rise": thresholds.defect_rise / 2})


def _not_finite(reading: EvaluationRecord) -> str:
    numbers = reading.metrics | reading.health | reading.training
    broken = [name for name, value in numbers.items() if value is None]
    return f"{', '.join(broken)} not finite at step {reading.step}" if broken else ""


def _reasons(
    reading: EvaluationRecord,
    healthy: Sequence[EvaluationRecord],
    steady: Sequence[EvaluationRecord],
    thresholds: "Thresholds",
    floors: dict[str, float],
) -> list[str]:
    """What is wrong with a reading, in words and figures, the samples first.

    Samples are compared with ``healthy`` readings; training also with those of the warm-up, all
    that were ``steady``.
    """
    return [
        f"{told} {'at' if of_samples else 'before'} step {reading.step}{beside}"
        for of_samples, found in (
            (True, _of_samples(reading, healthy, thresholds, floors)),
            (False, _of_training(reading, steady, thresholds)),
        )
        for told, beside in found
    ]


def _of_samples(
    reading: EvaluationRecord,
    healthy: Sequence[EvaluationRecord],
    limits: "Thresholds",
    floors: dict[str, float],
) -> Iterator[tuple[str, str]]:
    """What is found, and what it is compared with: the best checkpoint, which a run ends with.

    Not with the best of each sign: young samples may be diverse like noise, and never flicker.
    """
    if not healthy:
        return
    best = [min(healthy, key=lambda each: each.metrics.get("FVD") or math.inf)]
    for name, value, lowest in _beside(reading, healthy, DISTANCES, min):
        floor = floors.get(name, 0.0)
        what = "lowest" if lowest >= floor else "floor"
        usual = max(lowest, floor)
        if value > limits.distance_ratio * usual:
            yield f"{name} {value:.4g}", _times("more", limits.distance_ratio, what, usual)
    for names, ratio in ((SPREADS, limits.spread_ratio), (("recall",), limits.recall_ratio)):
        for name, value, before in _beside(reading, best, names, max):
            usual = min(before, 1.0) if name in CAPPED else before
            if value < ratio * usual:
                yield f"{_words(name)} {value:.3g}", _times("less", ratio, "best reading's", usual)
    for name, value, usual in _beside(reading, best, DEFECTS, min):
        if value > usual + limits.defect_rise:
            found = f"{value:.0%} of the samples are {_words(name)}"
            yield found, f", of the best reading {usual:.0%}"


def _of_training(
    reading: EvaluationRecord, steady: Sequence[EvaluationRecord], limits: "Thresholds"
) -> Iterator[tuple[str, str]]:
    now = _numbers(reading)
    for name in DISCRIMINATORS:
        loss, gap = now.get(f"{name}_loss", math.inf), now.get(f"{name}_gap", 0.0)
        if loss < limits.discriminator_loss and gap > limits.logit_gap:
            told = f"the {name} discriminator has won: loss {loss:.2g}, logits {gap:.3g} apart"
            yield told, ""
    ratio = limits.gradient_ratio
    for name, value, most in _beside(reading, steady, (*GRADIENTS, *BURSTS), max):
        if value > ratio * most:
            yield f"{_words(name)} {value:.3g}", _times("more", ratio, "highest", most)
    for name, value, least in _beside(reading, steady, GRADIENTS, min):
        if value < least / ratio:
            yield f"{_words(name)} {value:.3g}", _times("less", 1 / ratio, "lowest", least)
    if now.get("generator_gradient") == 0:  # a discriminator's is 0 whenever it never errs
        yield "generator gradient is 0", ""
    ratio = limits.singular_value_ratio
    for name, value, most in _beside(reading, steady, SINGULAR_VALUES, max):
        if value > ratio * most:
            grew = f"{_words(name)} grew {value:.3g} times"
            yield grew, _times("more", ratio, "highest growth", most)
    for name in SINGULAR_VALUES:
        if abs(now.get(name, math.inf) - 1) < limits.singular_value_change:
            yield f"{_words(name)} stand still", ""


def _beside(
    reading: EvaluationRecord,
    earlier: Sequence[EvaluationRecord],
    names: Sequence[str],
    best: Callable[[list[float]], float],
) -> Iterator[tuple[str, float, float]]:
    """Name, value, and the ``best`` of the ``earlier`` readings' values, of each that both have."""
    now = _numbers(reading)
    for name in names:
        before = [numbers[name] for numbers in map(_numbers, earlier) if name in numbers]
        if name in now and before:
            yield name, now[name], best(before)


def _numbers(reading: EvaluationRecord) -> dict[str, float]:
    return _known(reading.metrics | reading.health | reading.training)


def _known(numbers: Numbers) -> dict[str, float]:
    return {name: value for name, value in numbers.items() if value is not None}


def _times(how: str, ratio: float, best: str, value: float) -> str:
    return f" is {how} than {ratio:.3g} times the {best}, {value:.4g}"


def _words(name: str) -> str:
    return name.replace("_", " ")
