"""An ablation drawn as the paper's Fig. 7: FID and IS in training, error bars over seeds."""

import math
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dvdgan.reporting.ablation import Ablation, Spread
from dvdgan.reporting.curves import INK, svg

STYLE: dict[str, Any] = {"capsize": 3, "linewidth": 1.4, "marker": "o", "markersize": 4}


def ablation_figure(found: Ablation) -> Markup:
    """One SVG element with a panel for each of the first two metrics, FID and IS.

    Where runs were measured in training, a line for each group over steps; else a point for each
    group. Error bars are one standard deviation over runs; a single run has none.
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


def _lines(axes: Axes, found: Ablation, metric: str) -> None:
    steps = [step for step in found.steps if step is not None]
    for group in found.groups:
        spreads = [group.steps[step][metric] for step in steps]
        means, bars = [_mean(each) for each in spreads], [_bar(each) for each in spreads]
        axes.errorbar(steps, means, bars, label=group.name, **STYLE)


def _points(axes: Axes, found: Ablation, metric: str) -> None:
    for place, group in enumerate(found.groups):
        spread = group.steps[None][metric]
        axes.errorbar([place], [_mean(spread)], [_bar(spread)], **STYLE)
    axes.set_xticks(range(len(found.groups)), [group.name for group in found.groups], rotation=15)
    axes.margins(x=0.15)


def _mean(spread: Spread) -> float:
    """What is not a number is not drawn."""
    return math.nan if spread.mean is None else spread.mean


def _bar(spread: Spread) -> float:
    return math.nan if spread.deviation is None else spread.deviation
