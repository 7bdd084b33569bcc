"""From the readings of a run to a verdict: a pure function, in words and figures.

docs/collapse.md tells how each threshold was found, and how often it was right.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dvdgan.guard.reading import Numbers, Reading
from dvdgan.guard.signals import DISCRIMINATORS

if TYPE_CHECKING:
    from dvdgan.config.guard import Guard, Thresholds

HEALTHY, SUSPECT, COLLAPSED = "healthy", "suspect", "collapsed"

DISTANCES = ("FVD", "FID")
SPREADS = ("IS", "diversity", "class_diversity", "recall", "accuracy")
DEFECTS = ("near_duplicates", "static", "uniform", "saturated", "flickering")
GRADIENTS = ("generator_gradient", "spatial_gradient", "temporal_gradient")
SINGULAR_VALUES = ("generator_singular_values", "discriminators_singular_values")


@dataclass(frozen=True)
class Verdict:
    """healthy | suspect | collapsed, why, and the step of the first reading that told so."""

    state: str
    reasons: list[str] = field(default_factory=list)
    began: int | None = None


def judge(readings: Sequence[Reading], guard: "Guard") -> Verdict:
    """Judge the last of ``readings``, those of one run in the order of steps.

    A number that is not finite is a collapse at once. Any other sign makes the reading suspect, and
    a collapse when guard.patience readings in a row are. Signs are compared with the best among the
    healthy readings before: what a run never was it cannot cease to be.
    """
    healthy: list[Reading] = []
    suspect: list[Reading] = []
    verdict = Verdict(HEALTHY)
    for reading in readings:
        if broken := _not_finite(reading):
            verdict = Verdict(COLLAPSED, [broken], (suspect or [reading])[0].step)
            continue
        reasons = list(_reasons(reading, healthy, guard.thresholds))
        if not reasons:
            healthy.append(reading)
            suspect.clear()
            verdict = Verdict(HEALTHY)
            continue
        suspect.append(reading)
        if len(suspect) < guard.patience:
            verdict = Verdict(SUSPECT, reasons, suspect[0].step)
        else:
            reasons[0] += f"; {len(suspect)} readings in a row are suspect"
            verdict = Verdict(COLLAPSED, reasons, suspect[0].step)
    return verdict


def alarming(reading: Reading, readings: Sequence[Reading], guard: "Guard") -> bool:
    """Whether a checkpoint whose samples were not measured had better be, after ``readings``."""
    return bool(_not_finite(reading)) or any(_reasons(reading, readings, guard.thresholds))


def _not_finite(reading: Reading) -> str:
    numbers = reading.metrics | reading.signs | reading.training
    broken = [name for name, value in numbers.items() if value is None]
    return f"{', '.join(broken)} not finite at step {reading.step}" if broken else ""


def _reasons(
    reading: Reading, healthy: Sequence[Reading], thresholds: "Thresholds"
) -> Iterator[str]:
    """What is wrong with a reading, in words and figures, the samples first."""
    step, limits = reading.step, thresholds
    for name, value, best in _beside_best(reading, healthy, DISTANCES, min):
        if value > limits.distance_ratio * best:
            yield (
                f"{name} {value:.4g} at step {step} is more than {limits.distance_ratio:g} times "
                f"the best, {best:.4g}"
            )
    for name, value, best in _beside_best(reading, healthy, SPREADS, max):
        if value < limits.spread_ratio * best:
            yield (
                f"{_words(name)} {value:.3g} at step {step} is less than {limits.spread_ratio:g} "
                f"times the best, {best:.3g}"
            )
    for name, value, best in _beside_best(reading, healthy, DEFECTS, min):
        if value > best + limits.defect_rise:
            yield f"{value:.0%} of the samples are {_words(name)} at step {step}, once {best:.0%}"
    training = _known(reading.training)
    for name in DISCRIMINATORS:
        loss, gap = training.get(f"{name}_loss"), training.get(f"{name}_gap")
        if loss is None or gap is None:
            continue
        if loss < limits.discriminator_loss and gap > limits.logit_gap:
            yield (
                f"the {name} discriminator has won by step {step}: its loss is {loss:.2g}, its "
                f"logits are {gap:.3g} apart"
            )
    for name, value, most in _beside_best(reading, healthy, GRADIENTS, max):
        if value > limits.gradient_ratio * most:
            yield (
                f"{_words(name)} {value:.3g} before step {step} is more than "
                f"{limits.gradient_ratio:g} times the most before, {most:.3g}"
            )
    for name in SINGULAR_VALUES:
        growth = training.get(name)
        if growth is not None and growth > limits.singular_value_growth:
            yield f"{_words(name)} grew {growth:.3g} times before step {step}"


def _beside_best(
    reading: Reading,
    healthy: Sequence[Reading],
    names: Sequence[str],
    best: Callable[[list[float]], float],
) -> Iterator[tuple[str, float, float]]:
    """Name, value, and the best value of the healthy readings, of each that both have."""
    now = _numbers(reading)
    for name in names:
        before = [numbers[name] for numbers in map(_numbers, healthy) if name in numbers]
        if name in now and before:
            yield name, now[name], best(before)


def _numbers(reading: Reading) -> dict[str, float]:
    return _known(reading.metrics | reading.signs | reading.training)


def _known(numbers: Numbers) -> dict[str, float]:
    return {name: value for name, value in numbers.items() if value is not None}


def _words(name: str) -> str:
    return name.replace("_", " ")
