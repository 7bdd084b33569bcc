"""Two runs on one page: metrics, changed params, videos of the same latents, curves."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dvdgan.guard.ledger import Event
from dvdgan.reporting.assessment import assess
from dvdgan.reporting.charts import LEAST_POINTS, LineChart, metric_curves
from dvdgan.reporting.scores import GENERATED, MISSING, better_if, is_distance, metric_names
from dvdgan.reporting.template import fill

BETTER, WORSE, NOISE = "better", "worse", "within noise"
HASH = re.compile(r"[0-9a-f]{16,}")
NOT_COMPARABLE, ONE_SIDED = "not comparable", "measured once"


@dataclass(frozen=True)
class ComparedRun:
    """What the page shows of one run."""

    name: str
    measured: dict[str, Any]
    """read_results."""
    ledger: list[Event]
    params: Mapping[str, Any]
    """By dotted key."""
    videos: dict[str, str]
    """mp4 data URI by class."""
    latent_dim: int

    @property
    def sentence(self) -> str:
        """The verdict and its reason."""
        return assess(self.measured).sentence


@dataclass(frozen=True)
class MetricRow:
    """One metric of both runs."""

    metric: str
    own: dict[str, Any] | None
    other: dict[str, Any] | None
    word: str
    """BETTER, WORSE, NOISE, NOT_COMPARABLE or ONE_SIDED; of the first run."""
    differences: list[str]
    """Settings in which the measurements differ."""


def render_comparison(own: ComparedRun, other: ComparedRun) -> str:
    """The page as HTML. Equal runs give equal bytes; all text is escaped."""
    curves = _both_curves(own, other)
    return fill(
        "compare.html.j2",
        own=own,
        other=other,
        rows=metric_rows(own.measured, other.measured),
        better_if=better_if,
        changes=changed_params(own.params, other.params),
        latents=_latents(own, other),
        videos=[
            (name, video, other.videos[name])
            for name, video in own.videos.items()
            if name in other.videos
        ],
        metric_curves=curves,
        chart_data={each.title: each.data() for each in curves},
    )


def metric_rows(own: dict[str, Any], other: dict[str, Any]) -> list[MetricRow]:
    """Every metric that one of them has, with what the intervals allow to say."""
    names = list(dict.fromkeys([*metric_names(own), *metric_names(other)]))
    rows = []
    for name in names:
        one, two = own[GENERATED].get(name), other[GENERATED].get(name)
        if one is None or two is None:
            rows.append(MetricRow(name, one, two, ONE_SIDED, []))
            continue
        differences = _differences(one["protocol"], two["protocol"])
        word = NOT_COMPARABLE if differences else _word(name, one, two)
        rows.append(MetricRow(name, one, two, word, differences))
    return rows


def changed_params(own: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Keys with other values, and both values."""
    return [
        (key, own.get(key, MISSING), other.get(key, MISSING))
        for key in sorted(own.keys() | other.keys())
        if own.get(key, MISSING) != other.get(key, MISSING)
    ]


def _differences(one: Mapping[str, Any], two: Mapping[str, Any]) -> list[str]:
    """Settings of the measurement that both have, with other values; seeds may differ.

    Of hashes the first digits are shown, as in the metrics' full names.
    """
    return [
        f"{key.replace('_', ' ')}: {_short(one[key])} and {_short(two[key])}"
        for key in sorted(one.keys() & two.keys() - {"seed"})
        if one[key] != two[key]
    ]


def _short(value: Any) -> str:
    return str(value)[:8] if HASH.fullmatch(str(value)) else str(value)


def _word(name: str, one: Mapping[str, Any], two: Mapping[str, Any]) -> str:
    low, high = one.get("interval") or (one["value"], one["value"])
    other_low, other_high = two.get("interval") or (two["value"], two["value"])
    if low <= other_high and other_low <= high:
        return NOISE
    is_lower = high < other_low
    return BETTER if is_lower == is_distance(name) else WORSE


def _latents(own: ComparedRun, other: ComparedRun) -> str:
    if own.latent_dim != other.latent_dim:
        return (
            f"The latents differ: {own.latent_dim} and {other.latent_dim} dimensions, so videos do "
            "not correspond one by one."
        )
    return "Videos of the same class and place have the same latent in both runs."


def _both_curves(own: ComparedRun, other: ComparedRun) -> list[LineChart]:
    """A chart for each metric of checkpoints with a line for each run, without what was rolled
    back."""
    found = []
    others = {each.title: each for each in metric_curves(other.ledger)}
    for each in metric_curves(own.ledger):
        name = each.title
        if name in others and name in each.lines and name in others[name].lines:
            lines = {own.name: each.lines[name], other.name: others[name].lines[name]}
            found.append(LineChart(name, lines, each.is_distance))
    return [each for each in found if each.points >= LEAST_POINTS]
