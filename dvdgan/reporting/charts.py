"""Charts by matplotlib, as SVG elements in the text colour of the page around them."""

import io
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from cycler import cycler
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dvdgan.guard.health import DEFECTS
from dvdgan.guard.ledger import Event
from dvdgan.reporting.ablation import Ablation, Spread
from dvdgan.reporting.scores import format_number

# A chart of more points is no clearer and takes megabytes.
MOST_POINTS = 400

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

# An object of metrics.jsonl: numbers by key, with their step.
TelemetryRecord = dict[str, Any]
# Steps and values.
Series = tuple[Sequence[float], Sequence[float]]

# Telemetry that shares a chart, by the end of its key.
TOGETHER = {
    "_loss": "losses",
    "_gradient_norm": "gradient norms",
    "_learning_rate": "learning rates",
    "_loss_scale": "loss scales",
    "non_finite_gradients": "left out or not finite",
    "skipped_updates": "left out or not finite",
}
# Charts that are left out while all of their values are constant.
ONLY_IF_CHANGING = {"learning rates", "loss scales", "left out or not finite"}


def training_curves(telemetry: list[TelemetryRecord]) -> dict[str, Markup]:
    """A chart for each group of keys in the training telemetry, by title.

    Losses share one chart, gradient norms another; other keys are grouped by the part before their
    first underscore, such as spatial_real and spatial_fake.
    """
    groups: dict[str, dict[str, Series]] = {}
    for key in sorted({key for record in telemetry for key in record} - {"step"}):
        line = series(telemetry, key)
        if line[0]:
            groups.setdefault(_chart_of(key), {})[key] = line
    return {
        title: chart(title, lines)
        for title, lines in groups.items()
        if title not in ONLY_IF_CHANGING or any(_changes(values) for _, values in lines.values())
    }


def metric_curves(ledger: list[Event]) -> dict[str, Markup]:
    """Charts of the checkpoints' evaluations over training steps, by title.

    One for each metric, with the value of the untrained generator, and two for the health metrics
    of samples: their variety, and the shares with a defect.
    """
    evaluated = [record for record in ledger if record.get("event") == "evaluated"]
    metrics = _measured(evaluated, "metrics")
    charts = {name: {name: line} for name, line in metrics.items()}
    baseline = next((record for record in ledger if record.get("event") == "baseline"), None)
    levels = {} if baseline is None else baseline["untrained"]["metrics"]
    for name, (steps, _) in metrics.items():
        level = levels.get(name)
        if level is not None:
            charts[name]["untrained generator"] = (steps, [level] * len(steps))
    for name, line in _measured(evaluated, "health").items():
        title = "samples with a defect" if name in DEFECTS else "variety of samples"
        charts.setdefault(title, {})[name.replace("_", " ")] = line
    return {title: chart(title, lines, marker="o") for title, lines in charts.items()}


def _measured(evaluated: list[Event], group: str) -> dict[str, Series]:
    records = [{"step": record["step"], **record.get(group, {})} for record in evaluated]
    names = sorted({key for record in records for key in record} - {"step"})
    lines = {name: series(records, name) for name in names}
    return {name: line for name, line in lines.items() if line[0]}


def series(records: list[TelemetryRecord], key: str) -> Series:
    """Steps and values of ``key`` where it is finite, averaged to at most MOST_POINTS points."""
    points = [
        (record["step"], record[key])
        for record in records
        if isinstance(record.get(key), int | float) and math.isfinite(record[key])
    ]
    if not points:
        return (), ()
    chunks = np.array_split(np.array(points, dtype=float), min(len(points), MOST_POINTS))
    means = [chunk.mean(axis=0) for chunk in chunks]
    return [float(step) for step, _ in means], [float(value) for _, value in means]


def chart(title: str, lines: dict[str, Series], marker: str = "") -> Markup:
    """One SVG element with a line for each name; equal input gives equal bytes."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for name, (steps, values) in lines.items():
            axes.plot(steps, values, label=name, linewidth=1.4, marker=marker, markersize=4)
        axes.set_xlabel("step")
        axes.grid(alpha=0.15, color=INK)
        if len(lines) > 1:
            axes.legend(frameon=False)

    return svg(title, draw)


def bar_chart(
    title: str,
    values: Mapping[str, float],
    highlighted: Collection[str] = (),
    threshold: float | None = None,
    log_scale: bool = False,
) -> Markup:
    """Horizontal bars labelled with their values, the first one on top.

    Bars of ``highlighted`` names have the second colour; ``threshold`` is a vertical line. The log
    scale is linear below 1, so that it can show 0.
    """

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        colours = [COLOURS[name in highlighted] for name in values]
        bars = axes.barh(list(values), list(values.values()), color=colours)
        axes.bar_label(bars, [format_number(value) for value in values.values()], padding=3)
        axes.margins(x=0.2)
        axes.invert_yaxis()
        if log_scale:
            axes.set_xscale("symlog", linthresh=1)
            # The default formatter writes mathtext, which STYLE leaves unparsed.
            axes.xaxis.set_major_formatter(lambda value, _: format_number(value))
        if threshold is not None:
            axes.axvline(threshold, color=INK, linewidth=1, linestyle="--")

    return svg(title, draw, height=0.5 + 0.24 * len(values))


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


def _chart_of(key: str) -> str:
    ends = (title for ending, title in TOGETHER.items() if key.endswith(ending))
    return next(ends, key.partition("_")[0])


def _changes(values: Sequence[float]) -> bool:
    return not math.isclose(min(values), max(values), rel_tol=1e-6)


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
