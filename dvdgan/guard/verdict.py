"""From the history of a run to a verdict: a pure function, in words and figures."""

import math
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dvdgan.config.schema import Guard

HEALTHY, SUSPECT, COLLAPSED = "healthy", "suspect", "collapsed"


@dataclass(frozen=True)
class Verdict:
    """healthy | suspect | collapsed, and why."""

    state: str
    reasons: list[str] = field(default_factory=list)


def judge(
    history: list[dict[str, Any]], metrics: dict[str, float | None], step: int, guard: "Guard"
) -> Verdict:
    """Judge the checkpoint at ``step`` by its ``metrics`` (FID, FVD, IS) and the run so far.

    ``history``: the earlier `evaluated` events of the run. A number that is None (not finite) is a
    collapse at once; an FVD worse than the best so far by guard.worse_ratio is suspect, and a
    collapse when guard.patience checkpoints in a row are.
    """
    broken = [name for name, value in metrics.items() if value is None]
    fvd = metrics["FVD"]
    if broken or fvd is None:
        return Verdict(COLLAPSED, [f"{', '.join(broken)} not finite at step {step}"])
    healthy = [event["metrics"]["FVD"] for event in history if event["verdict"] == HEALTHY]
    best = min(healthy, default=math.inf)
    if fvd <= guard.worse_ratio * best:
        return Verdict(HEALTHY)
    streak = 1 + sum(1 for _ in takewhile(_is_suspect, reversed(history)))
    reason = (
        f"FVD {fvd:.4g} at step {step} is more than {guard.worse_ratio:g} times the "
        f"best, {best:.4g}"
    )
    if streak < guard.patience:
        return Verdict(SUSPECT, [reason])
    return Verdict(COLLAPSED, [f"{reason}, as at {streak} checkpoints in a row"])


def _is_suspect(event: dict[str, Any]) -> bool:
    return bool(event["verdict"] == SUSPECT)
