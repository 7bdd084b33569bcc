"""An ablation drawn as the paper's Fig. 7: FID and IS in training, error bars over seeds."""

from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dvdgan.reporting.ablation import Ablation
from dvdgan.reporting.curves import INK, svg

BARS: dict[str, Any] = {"capsize": 3, "linewidth": 1.4, "marker": "o", "markersize": 4}


def ablation_figure(found: Ablation) -> Markup:
    """One SVG element with a panel for each of the first two metrics, FID and IS.

    Where runs were measured in training, a line for each group over steps; else a point for each
    group. Error bars are one standard deviation over runs.
    """
    panels = found.metrics[:2]

    def draw(figure: Figure) -> None:
        for place, metric in enumerate(panels, start=1):
            axes = figure.add_subplot(1, len(panels), place)
            if found.steps == [None]:
                _points(axes, found, metric)
            else:
                _lines(axes, found, metric)
            axes.set_ylabel(metric)
            axes.grid(alpha=0.15, color=INK)

    return svg(f"ablation of {', '.join(found.keys)}", draw, width=4.2 * len(panels))


def _lines(axes: Axes, found: Ablation, metric: str) -> None:
    for group in found.groups:
        spreads = [(step, group.steps[step][metric]) for step in found.steps]
        finite = [(step, each.mean, each.deviation or 0) for step, each in spreads if each.runs]
        if finite:
            steps, means, deviations = zip(*finite, strict=True)
            axes.errorbar(steps, means, deviations, label=group.name, **BARS)
    axes.set_xlabel("step")
    axes.legend(frameon=False, title=", ".join(found.keys))


def _points(axes: Axes, found: Ablation, metric: str) -> None:
    names = [group.name for group in found.groups]
    for place, group in enumerate(found.groups):
        spread = group.steps[None][metric]
        if spread.mean is not None:
            axes.errorbar([place], [spread.mean], [spread.deviation or 0], **BARS)
    axes.set_xticks(range(len(names)), names)
    axes.set_xlabel(", ".join(found.keys))
