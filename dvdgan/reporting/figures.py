"""Figures by matplotlib, as SVG elements in the text colour of the page around them."""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
from cycler import cycler
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dvdgan.reporting.ablation import Ablation, Spread

# Text and axes have this colour, which svg() replaces by the text colour of the page.
INK = "#010203"
# Readable on light and dark pages, and distinct for colour-blind readers (Okabe & Ito).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
STYLE: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
}

ERROR_BARS: dict[str, Any] = {"capsize": 3, "linewidth": 1.4, "marker": "o", "markersize": 4}


def truncation_chart(points: Sequence[Mapping[str, float]]) -> Markup:
    """The truncation curve (paper 4.4), FID over IS as in BigGAN; lower right is better.

    points: level, FID and IS of each; labelled with their levels.
    """

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        in_order = sorted(points, key=lambda point: point["level"])
        at = [(point["IS"], point["FID"]) for point in in_order]
        axes.plot(*zip(*at, strict=True), linewidth=1.4, marker="o", markersize=4)
        for point, place in zip(in_order, at, strict=True):
            axes.annotate(
                f"{point['level']:g}", place, (4, 4), textcoords="offset points", fontsize=7
            )
        axes.set_xlabel("IS")
        axes.set_ylabel("FID")
        axes.grid(alpha=0.15, color=INK)

    return svg("truncation", draw)


def ablation_figure(found: Ablation) -> Markup:
    """An ablation as in the paper's Fig. 7: a panel for each of the first two metrics, FID and IS.

    For runs measured in training, a line for each group over steps; else a point for each group.
    Error bars are one standard deviation over runs; a single run has none.
    """
    panels, keys = found.metrics[:2], ", ".join(found.keys)
    in_training = found.steps != [None]

    def draw(figure: Figure) -> None:
        for place, metric in enumerate(panels, start=1):
            axes = figure.add_subplot(1, len(panels), place)
            if in_training:
                _lines(axes, found, metric)
            else:
                _points(axes, found, metric)
            axes.set_xlabel("step" if in_training else keys)
            axes.set_ylabel(metric)
            axes.grid(alpha=0.15, color=INK)
        if in_training:
            handles = figure.axes[0].get_legend_handles_labels()
            figure.legend(*handles, loc="outside right center", title=keys, frameon=False)

    return svg(f"ablation of {keys}", draw, width=4.2 * len(panels))


def svg(
    title: str, draw: Callable[[Figure], None], width: float = 4.2, height: float = 2.4
) -> Markup:
    """The SVG element of what ``draw`` adds to a figure of ``width`` x ``height`` inches.

    Equal input gives equal bytes. INK becomes the colour of the surrounding text.
    """
    # Ids in the SVG are salted hashes; the charts of a page must not share them.
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": f"dvdgan {title}"}):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        written = io.StringIO()
        without = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(written, format="svg", transparent=True, metadata=without)
    drawing = written.getvalue()
    return Markup(drawing[drawing.index("<svg") :].replace(INK, "currentColor"))


def _lines(axes: Axes, found: Ablation, metric: str) -> None:
    steps = [step for step in found.steps if step is not None]
    for group in found.groups:
        spreads = [group.steps[step][metric] for step in steps]
        means, bars = [_mean(each) for each in spreads], [_bar(each) for each in spreads]
        axes.errorbar(steps, means, bars, label=group.name, **ERROR_BARS)


def _points(axes: Axes, found: Ablation, metric: str) -> None:
    for place, group in enumerate(found.groups):
        spread = group.steps[None][metric]
        axes.errorbar([place], [_mean(spread)], [_bar(spread)], **ERROR_BARS)
    axes.set_xticks(range(len(found.groups)), [group.name for group in found.groups], rotation=15)
    axes.margins(x=0.15)


def _mean(spread: Spread) -> float:
    """NaN for None: matplotlib leaves it out."""
    return math.nan if spread.mean is None else spread.mean


def _bar(spread: Spread) -> float:
    return math.nan if spread.deviation is None else spread.deviation
