"""What the guard knows of one checkpoint, in numbers; None where one was not finite."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Numbers = dict[str, float | None]
Intervals = dict[str, Sequence[float]]


@dataclass(frozen=True)
class EvaluationRecord:
    """One checkpoint: how far its samples are from real clips, how they look, how training went."""

    step: int
    metrics: Numbers = field(default_factory=dict)
    """FID, FVD and IS by the run's first protocol."""
    health: Numbers = field(default_factory=dict)
    """Health metrics of the samples (evaluation/sample_health.py)."""
    training: Numbers = field(default_factory=dict)
    """Losses, gradients and singular values since the reading before (guard/training_health.py)."""
    intervals: Intervals = field(default_factory=dict)
    """95% intervals (low, high) of the distances they were computed for."""
    names: dict[str, str] = field(default_factory=dict)
    """Full names of the metrics: how they were measured."""

    @classmethod
    def of(cls, event: dict[str, Any]) -> "EvaluationRecord":
        """The reading in an `evaluated` event of the ledger."""
        return cls(
            event["step"],
            event["metrics"],
            event["health"],
            event["training"],
            event.get("intervals", {}),  # a ledger begun before these were noted has none
            event.get("names", {}),
        )

    @property
    def distance(self) -> "Distance":
        """The FVD with its interval."""
        return Distance.of(self.metrics, self.intervals)


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
class Baseline:
    """What a checkpoint is compared with before a run has learned anything, measured once a run by
    its own protocol and number of clips."""

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
