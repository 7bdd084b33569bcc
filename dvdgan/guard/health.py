"""The evaluation records of a run, and the verdict on them: a pure function with its reasons.

docs/collapse.md shows how each threshold was found, and how often it was right.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dvdgan.config.guard import Guard, Thresholds

WARMING_UP, HEALTHY, SUSPECT, COLLAPSED = "warming_up", "healthy", "suspect", "collapsed"

DISCRIMINATORS = ("spatial", "temporal")
DISTANCES = ("FVD", "FID")
SPREADS = ("IS", "accuracy", "diversity", "class_diversity")
DEFECTS = ("near_duplicates", "static", "uniform", "saturated", "flickering")
GRADIENTS = ("generator_gradient", "spatial_gradient", "temporal_gradient")
BURSTS = ("generator_burst", "spatial_burst", "temporal_burst")
SINGULAR_VALUES = ("generator_singular_values", "discriminators_singular_values")

# More diverse than real clips is not better: a generator that confuses classes is, within each.
CAPPED = ("diversity", "class_diversity")

Numbers = dict[str, float | None]
"""Values by name; None if one was not finite."""
Intervals = dict[str, Sequence[float]]


@dataclass(frozen=True)
class Distance:
    """An FVD to the real clips with its 95% interval; infinite where it was not finite."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, metrics: Numbers, intervals: Intervals) -> "Distance":
        value = metrics.get("FVD")
        if value is None:
            return cls(float("inf"), float("inf"), float("inf"))
        low, high = intervals.get("FVD", (value, value))
        return cls(value, low, high)

    def clearly_below(self, other: "Distance", factor: float = 1.0) -> bool:
        """Whether this interval ends before ``factor`` times the other one begins."""
        return self.high < factor * other.low

    def __str__(self) -> str:
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


@dataclass(frozen=True)
class EvaluationRecord:
    """One evaluated checkpoint: its metrics, the health of its samples and of the training."""

    step: int
    metrics: Numbers = field(default_factory=dict)
    """FID, FVD and IS by the run's first protocol."""
    health: Numbers = field(default_factory=dict)
    """Health metrics of the samples (evaluation/sample_health.py)."""
    training: Numbers = field(default_factory=dict)
    """Health metrics of the training since the record before, see `training_health`."""
    intervals: Intervals = field(default_factory=dict)
    """95% intervals (low, high) of the distances they were computed for."""
    names: dict[str, str] = field(default_factory=dict)
    """Full names of the metrics: how they were measured."""

    @classmethod
    def of(cls, event: dict[str, Any]) -> "EvaluationRecord":
        """The record in an `evaluated` event of the ledger."""
        return cls(
            event["step"],
            event["metrics"],
            event["health"],
            event["training"],
            event.get("intervals", {}),  # missing in early ledgers
            event.get("names", {}),
        )

    @property
    def distance(self) -> Distance:
        """The FVD with its interval."""
        return Distance.of(self.metrics, self.intervals)

    @property
    def numbers(self) -> Numbers:
        """All values but the intervals."""
        return self.metrics | self.health | self.training


@dataclass(frozen=True)
class Baseline:
    """The values with which a run is compared until it has learned; measured once per run."""

    untrained: Distance
    """Of the generator before step 1."""
    mean_clip: Distance
    """Of the mean of the real clips, repeated."""
    metrics: Numbers = field(default_factory=dict)
    """FID, FVD and IS of the untrained generator."""

    @classmethod
    def of(cls, event: dict[str, Any]) -> "Baseline":
        """The baseline in a `baseline` event of the ledger."""
        untrained, mean_clip = event["untrained"], event["mean_clip"]
        return cls(
            Distance.of(untrained["metrics"], untrained["intervals"]),
            Distance.of(mean_clip["metrics"], mean_clip["intervals"]),
            untrained["metrics"],
        )


def training_health(
    steps: Sequence[Mapping[str, Any]], spectra: Sequence[Mapping[str, Any]]
) -> Numbers:
    """Health metrics of a stretch of training, from its lines of metrics.jsonl and spectra.jsonl.

    For each discriminator: `D_loss`, the median of its hinge loss (2 when it cannot distinguish
    real from generated clips, 0 when it never errs), and `D_gap`, the mean of its logits on real
    clips less those on generated ones. For G and each discriminator: `X_gradient`, the median norm
    of its gradient, and `X_burst`, the largest over the median. For both networks
    `X_singular_values`, the largest factor by which the largest singular value of a layer grew from
    the first line of ``spectra`` to the last; None if a weight is not finite.
    """
    numbers: Numbers = {}
    for name in DISCRIMINATORS:
        if losses := _values(steps, f"{name}_loss"):
            numbers[f"{name}_loss"] = median(losses)
            numbers[f"{name}_gap"] = fmean(_values(steps, f"{name}_real")) - fmean(
                _values(steps, f"{name}_fake")
            )
    for name in ("generator", *DISCRIMINATORS):
        if norms := _values(steps, f"{name}_gradient_norm"):
            typical = median(norms)
            numbers[f"{name}_gradient"] = typical
            numbers[f"{name}_burst"] = max(norms) / typical if typical else 1.0
    if len(spectra) > 1:
        for network in ("generator", "discriminators"):
            numbers[f"{network}_singular_values"] = _growth(
                spectra[0][network], spectra[-1][network]
            )
    return numbers


def _values(steps: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [line[name] for line in steps if line.get(name) is not None]


def _growth(before: dict[str, list[Any]], now: dict[str, list[Any]]) -> float | None:
    factors: list[float] = []
    for layer, (largest, *_) in now.items():
        earlier = before[layer][0]
        if largest is None or earlier is None:
            return None
        factors.append(largest / earlier if earlier else 1.0)
    return max(factors, default=1.0)


@dataclass(frozen=True)
class Verdict:
    """warming_up | healthy | suspect | collapsed, why, and the step of the first record that
    showed it."""

    state: str
    reasons: list[str] = field(default_factory=list)
    began: int | None = None


def judge(
    records: Sequence[EvaluationRecord], guard: "Guard", baseline: Baseline | None = None
) -> Verdict:
    """Judge the last of ``records``, those of one run in the order of steps.

    A number that is not finite is a collapse at once. Any other criterion that is met makes a
    record suspect, and guard.patience suspect records in a row are a collapse. Most criteria
    compare a record with earlier ones of the same run that were not suspect. Once suspect, a run
    recovers only when every value is back half the way to its threshold.

    If no criterion is met, a record is healthy if its samples are clearly closer to real clips than
    those of the untrained generator in ``baseline``, and otherwise warming up. Without a baseline
    (in a ledger of an older version) it is healthy.
    """
    narrow, factor = _half_way(guard.thresholds), guard.thresholds.baseline_factor
    known = _known(baseline.metrics if baseline else {})
    floors = {name: guard.thresholds.distance_floor * value for name, value in known.items()}
    healthy: list[EvaluationRecord] = []
    steady: list[EvaluationRecord] = []
    suspect: list[EvaluationRecord] = []
    verdict = Verdict(WARMING_UP)
    for record in records:
        if broken := _not_finite(record):
            verdict = Verdict(COLLAPSED, [broken], (suspect or [record])[0].step)
            continue
        limits = narrow if suspect else guard.thresholds
        reasons = _reasons(record, healthy, steady, limits, floors)
        limit = math.inf if baseline is None else max(factor, 1.0) * baseline.untrained.value
        if healthy and record.distance.value > limit:
            reasons.append(
                f"FVD {record.distance.value:.4g} at step {record.step} is higher than that of the "
                f"untrained generator, {limit:.4g}"
            )
        if not reasons:
            steady.append(record)
            suspect.clear()
            if baseline is None or record.distance.clearly_below(baseline.untrained, factor):
                healthy.append(record)
                verdict = Verdict(HEALTHY)
            else:
                verdict = Verdict(WARMING_UP)
            continue
        suspect.append(record)
        if len(suspect) < guard.patience:
            verdict = Verdict(SUSPECT, reasons, suspect[0].step)
        else:
            reasons[0] += f"; {len(suspect)} evaluations in a row are suspect"
            verdict = Verdict(COLLAPSED, reasons, suspect[0].step)
    return verdict


def alarming(record: EvaluationRecord, earlier: Sequence[EvaluationRecord], guard: "Guard") -> bool:
    """Whether training alone is reason to evaluate a checkpoint, after ``earlier`` records.

    ``record`` holds what is known before its samples are measured.
    """
    return bool(_not_finite(record) or _reasons(record, earlier, earlier, guard.thresholds, {}))


def _half_way(thresholds: "Thresholds") -> "Thresholds":
    """Half the way back to where nothing is wrong: to ratios of 1, and rises of 0."""
    ratios = [name for name in type(thresholds).model_fields if name.endswith("_ratio")]
    changes = {name: math.sqrt(getattr(thresholds, name)) for name in ratios}
    return thresholds.model_copy(update=changes | {"defect_rise": thresholds.defect_rise / 2})


def _not_finite(record: EvaluationRecord) -> str:
    broken = [name for name, value in record.numbers.items() if value is None]
    return f"{', '.join(broken)} not finite at step {record.step}" if broken else ""


def _reasons(
    record: EvaluationRecord,
    healthy: Sequence[EvaluationRecord],
    steady: Sequence[EvaluationRecord],
    thresholds: "Thresholds",
    floors: dict[str, float],
) -> list[str]:
    """The criteria that a record meets, with their values: first of the samples, compared with
    ``healthy`` records, then of the training, compared with all ``steady`` ones, the warm-up's too.

    The lowest value of a distance counts as at least its floor.
    """
    samples = _sample_criteria(record, healthy, thresholds, floors)
    training = _training_criteria(record, steady, thresholds)
    return [
        *(f"{found} at step {record.step}{compared}" for found, compared in samples),
        *(f"{found} before step {record.step}{compared}" for found, compared in training),
    ]


def _sample_criteria(
    record: EvaluationRecord,
    healthy: Sequence[EvaluationRecord],
    limits: "Thresholds",
    floors: dict[str, float],
) -> Iterator[tuple[str, str]]:
    """What is found, and what it is compared with: the best checkpoint, which a run ends with.

    Not with the best of each value, because early samples may be as diverse as noise and never
    flicker.
    """
    if not healthy:
        return
    best = [min(healthy, key=lambda each: each.metrics.get("FVD") or math.inf)]
    for name, value, lowest in _compared(record, healthy, DISTANCES, min):
        floor = floors.get(name, 0.0)
        what = "lowest" if lowest >= floor else "floor"
        usual = max(lowest, floor)
        if value > limits.distance_ratio * usual:
            yield f"{name} {value:.4g}", _times("more", limits.distance_ratio, what, usual)
    for names, ratio in ((SPREADS, limits.spread_ratio), (("recall",), limits.recall_ratio)):
        for name, value, before in _compared(record, best, names, max):
            usual = min(before, 1.0) if name in CAPPED else before
            if value < ratio * usual:
                best_is = _times("less", ratio, "best checkpoint's", usual)
                yield f"{_spaced(name)} {value:.3g}", best_is
    for name, value, usual in _compared(record, best, DEFECTS, min):
        if value > usual + limits.defect_rise:
            found = f"{value:.0%} of the samples are {_spaced(name)}"
            yield found, f", of the best checkpoint's {usual:.0%}"


def _training_criteria(
    record: EvaluationRecord, steady: Sequence[EvaluationRecord], limits: "Thresholds"
) -> Iterator[tuple[str, str]]:
    now = _known(record.numbers)
    for name in DISCRIMINATORS:
        loss, gap = now.get(f"{name}_loss", math.inf), now.get(f"{name}_gap", 0.0)
        if loss < limits.discriminator_loss and gap > limits.logit_gap:
            yield f"the {name} discriminator has won: loss {loss:.2g}, logits {gap:.3g} apart", ""
    ratio = limits.gradient_ratio
    for name, value, most in _compared(record, steady, (*GRADIENTS, *BURSTS), max):
        if value > ratio * most:
            yield f"{_spaced(name)} {value:.3g}", _times("more", ratio, "highest", most)
    for name, value, least in _compared(record, steady, GRADIENTS, min):
        if value < least / ratio:
            yield f"{_spaced(name)} {value:.3g}", _times("less", 1 / ratio, "lowest", least)
    if now.get("generator_gradient") == 0:  # a discriminator's is 0 whenever it never errs
        yield "generator gradient is 0", ""
    ratio = limits.singular_value_ratio
    for name, value, most in _compared(record, steady, SINGULAR_VALUES, max):
        if value > ratio * most:
            yield (
                f"{_spaced(name)} grew {value:.3g} times",
                _times("more", ratio, "highest growth", most),
            )
    for name in SINGULAR_VALUES:
        if abs(now.get(name, math.inf) - 1) < limits.singular_value_change:
            yield f"{_spaced(name)} do not change", ""


def _compared(
    record: EvaluationRecord,
    earlier: Sequence[EvaluationRecord],
    names: Sequence[str],
    best: Callable[[list[float]], float],
) -> Iterator[tuple[str, float, float]]:
    """Name, value, and the ``best`` of the ``earlier`` records' values, of each that both have."""
    now = _known(record.numbers)
    before = [_known(other.numbers) for other in earlier]
    for name in names:
        values = [numbers[name] for numbers in before if name in numbers]
        if name in now and values:
            yield name, now[name], best(values)


def _known(numbers: Numbers) -> dict[str, float]:
    return {name: value for name, value in numbers.items() if value is not None}


def _times(how: str, ratio: float, best: str, value: float) -> str:
    return f" is {how} than {ratio:.3g} times the {best}, {value:.4g}"


def _spaced(name: str) -> str:
    return name.replace("_", " ")
