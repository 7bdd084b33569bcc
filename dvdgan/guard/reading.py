"""What the guard knows of one checkpoint, all of it numbers; None where one was not finite."""

from dataclasses import dataclass, field
from typing import Any

Numbers = dict[str, float | None]


@dataclass(frozen=True)
class Reading:
    """One checkpoint: how far its samples are from real clips, how they look, how training went."""

    step: int
    metrics: Numbers = field(default_factory=dict)
    """FID, FVD and IS by the run's first protocol."""
    signs: Numbers = field(default_factory=dict)
    """Vital signs of the samples (evaluation/vital_signs.py)."""
    training: Numbers = field(default_factory=dict)
    """Losses, gradients and singular values since the reading before (guard/signals.py)."""

    @classmethod
    def of(cls, event: dict[str, Any]) -> "Reading":
        """The reading in an `evaluated` event of the ledger."""
        return cls(event["step"], event["metrics"], event["signs"], event["training"])
