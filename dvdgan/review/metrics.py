"""Compares the metrics of two revisions: better, worse, within noise, or not comparable."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dvdgan.guard.origin import flat
from dvdgan.reporting.scores import GENERATED, metrics_by_name

# results.json has every metric with its protocol; older versions have that in metrics.json.
FILES = ("artifacts/evaluate/results.json", "artifacts/evaluate/metrics.json")

HIGHER_IS_BETTER = ("IS", "accuracy", "coverage", "density", "precision", "recall")

BETTER, WORSE, WITHIN_NOISE = "better", "worse", "within noise"
NOT_COMPARABLE, UNCERTAIN, EQUAL = "not comparable", "no interval", "equal"


@dataclass(frozen=True)
class MetricComparison:
    """One metric before and now."""

    metric: str
    before: float | None
    now: float | None
    """None on the side that does not have it."""
    verdict: str
    """One of the constants above."""
    differences: list[str]
    """Settings of the measurement that differ: `clips: 256 and 1024`."""
    interval_before: tuple[float, float] | None = None
    interval_now: tuple[float, float] | None = None
    measured: str = ""
    """Protocol and number of clips of the present value."""


def read_results(data: bytes) -> dict[str, Any] | None:
    """The results in a file of FILES; None if there are none with protocols in it."""
    found = json.loads(data)
    if not isinstance(found, dict) or not isinstance(found.get(GENERATED), dict):
        return None
    return found


def compare_results(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[MetricComparison]:
    """Every metric of the generated clips, in the order of ``now``."""
    old, new = metrics_by_name(before[GENERATED]), metrics_by_name(now[GENERATED])
    names = [*new, *(name for name in old if name not in new)]
    return [_compare(name, old.get(name), new.get(name)) for name in names]


def _compare(
    name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> MetricComparison:
    if old is None or new is None:
        here, there = (None, old["value"]) if old else (new["value"] if new else None, None)
        which = "was not measured before" if old is None else "is not measured any more"
        return MetricComparison(name, there, here, NOT_COMPARABLE, [which])
    settings = [flat(each.get("protocol", {})) for each in (old, new)]
    differences = [
        f"{key}: {settings[0].get(key)} and {settings[1].get(key)}"
        for key in sorted(settings[0].keys() | settings[1].keys())
        if settings[0].get(key) != settings[1].get(key)
    ]
    verdict = NOT_COMPARABLE if differences else _verdict(name, old, new)
    return MetricComparison(
        name,
        old["value"],
        new["value"],
        verdict,
        differences,
        _interval(old),
        _interval(new),
        ", ".join(f"{settings[1][key]}" for key in ("protocol", "clips") if key in settings[1]),
    )


def _verdict(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Noise is the 95% interval of the difference of two independent measurements."""
    change = new["value"] - old["value"]
    if change == 0:
        return EQUAL
    if not (old.get("interval") and new.get("interval")):
        return UNCERTAIN
    reach = math.hypot(*((each["interval"][1] - each["interval"][0]) / 2 for each in (old, new)))
    if abs(change) <= reach:
        return WITHIN_NOISE
    return BETTER if (change > 0) == is_higher_better(name) else WORSE


def _interval(metric: Mapping[str, Any]) -> tuple[float, float] | None:
    if not metric.get("interval"):
        return None
    low, high = metric["interval"]
    return low, high


def is_higher_better(metric: str) -> bool:
    """False for distances; `IS_infinity` goes with IS."""
    return metric.partition("_")[0] in HIGHER_IS_BETTER
