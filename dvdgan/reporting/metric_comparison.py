"""Compares the metrics of two runs or revisions: better, worse, within noise, or not comparable."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dvdgan.guard.origin import flat
from dvdgan.reporting.scores import in_order, is_distance

BETTER, WORSE, WITHIN_NOISE = "better", "worse", "within noise"
NOT_COMPARABLE, UNCERTAIN, EQUAL = "not comparable", "no interval", "equal"

HASH = re.compile(r"[0-9a-f]{16,}")


@dataclass(frozen=True)
class MetricComparison:
    """One metric before and now."""

    metric: str
    before: float | None
    now: float | None
    """None on the side that does not have it."""
    verdict: str
    """One of the constants above; of the value now."""
    differences: list[str]
    """Settings of the measurement that differ: `clips: 256 and 1024`."""
    interval_before: tuple[float, float] | None = None
    interval_now: tuple[float, float] | None = None
    measured: str = ""
    """Protocol and number of clips of the present value."""


def compare_metrics(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[MetricComparison]:
    """Every metric of two sections of results.json, by metric name; those with a card first."""
    names = in_order(dict.fromkeys([*now, *before]))
    return [_compare(name, before.get(name), now.get(name)) for name in names]


def _compare(
    name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> MetricComparison:
    if old is None or new is None:
        return MetricComparison(
            name,
            old["value"] if old else None,
            new["value"] if new else None,
            NOT_COMPARABLE,
            ["measured on one side only"],
            _interval(old),
            _interval(new),
        )
    settings = [flat(each.get("protocol", {})) for each in (old, new)]
    # The interval allows for other samples of the same generator, which another seed draws.
    keys = sorted((settings[0].keys() | settings[1].keys()) - {"seed"})
    differences = [
        f"{key}: {_short(settings[0].get(key))} and {_short(settings[1].get(key))}"
        for key in keys
        if settings[0].get(key) != settings[1].get(key)
    ]
    return MetricComparison(
        name,
        old["value"],
        new["value"],
        NOT_COMPARABLE if differences else _verdict(name, old, new),
        differences,
        _interval(old),
        _interval(new),
        ", ".join(f"{settings[1][key]}" for key in ("protocol", "clips") if key in settings[1]),
    )


def _short(value: Any) -> str:
    """Of hashes the first digits, as in the metrics' full names."""
    return str(value)[:8] if HASH.fullmatch(str(value)) else str(value)


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
    return BETTER if (change < 0) == is_distance(name) else WORSE


def _interval(metric: Mapping[str, Any] | None) -> tuple[float, float] | None:
    if metric is None or not metric.get("interval"):
        return None
    low, high = metric["interval"]
    return low, high
