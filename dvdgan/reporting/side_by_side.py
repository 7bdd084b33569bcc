"""Two runs on one page: metrics, changed params, videos of the same latents, curves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dvdgan.guard.ledger import Event
from dvdgan.reporting.assessment import assess
from dvdgan.reporting.charts import LEAST_POINTS, LineChart, metric_curves
from dvdgan.reporting.metric_comparison import compare_metrics
from dvdgan.reporting.scores import GENERATED, MISSING, better_if
from dvdgan.reporting.template import fill


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


def render_comparison(own: ComparedRun, other: ComparedRun) -> str:
    """The page as HTML. Equal runs give equal bytes; all text is escaped."""
    curves = _both_curves(own, other)
    return fill(
        "compare.html.j2",
        own=own,
        other=other,
        rows=compare_metrics(other.measured[GENERATED], own.measured[GENERATED]),
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


def changed_params(own: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Keys with other values, and both values."""
    return [
        (key, own.get(key, MISSING), other.get(key, MISSING))
        for key in sorted(own.keys() | other.keys())
        if own.get(key, MISSING) != other.get(key, MISSING)
    ]


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
