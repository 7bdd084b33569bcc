"""Line charts as SVG text that takes its colours from the page around it."""

import io
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
from cycler import cycler
from markupsafe import Markup
from matplotlib.figure import Figure

from dvdgan.guard.health import DEFECTS
from dvdgan.reporting.records import Record

# A chart of more points than this is no clearer and weighs megabytes.
MOST_POINTS = 400

# Ink is drawn in this colour and then handed to the page, light or dark.
INK = "#010203"
# Readable on white and on near-black, and told apart by colour-blind readers (Okabe & Ito).
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

Line = tuple[Sequence[float], Sequence[float]]

# Numbers of the telemetry that share a chart, by the end of their key.
TOGETHER = {
    "_loss": "losses",
    "_gradient_norm": "gradient norms",
    "_learning_rate": "learning rates",
    "_loss_scale": "loss scales",
    "non_finite_gradients": "left out or not finite",
    "skipped_updates": "left out or not finite",
}
# Settings and alarms: of no interest as long as none of them moves.
ONLY_IF_MOVING = {"learning rates", "loss scales", "left out or not finite"}


def training_curves(telemetry: list[Record]) -> dict[str, Markup]:
    """A chart for each group of numbers in the training telemetry, by title.

    Losses share one chart, gradient norms another; other keys go by the part before their first
    underscore, so that spatial_real and spatial_fake meet.
    """
    groups: dict[str, dict[str, Line]] = {}
    for key in sorted({key for record in telemetry for key in record} - {"step"}):
        line = series(telemetry, key)
        if line[0]:
            groups.setdefault(_chart_of(key), {})[key] = line
    return {
        title: chart(title, lines)
        for title, lines in groups.items()
        if title not in ONLY_IF_MOVING or any(_moves(values) for _, values in lines.values())
    }


def metric_curves(ledger: list[Record]) -> dict[str, Markup]:
    """Charts over training steps of what was measured of the checkpoints, by title.

    One for each metric, beside the level of the untrained generator, and two for the health metrics
    of their samples: how much they differ, and the shares with a defect.
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


def _measured(evaluated: list[Record], group: str) -> dict[str, Line]:
    records = [{"step": record["step"], **record.get(group, {})} for record in evaluated]
    names = sorted({key for record in records for key in record} - {"step"})
    lines = {name: series(records, name) for name in names}
    return {name: line for name, line in lines.items() if line[0]}


def series(records: list[Record], key: str) -> Line:
    """Steps and values of ``key`` where it is a finite number, as at most MOST_POINTS means."""
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


def chart(title: str, lines: dict[str, Line], marker: str = "") -> Markup:
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


def svg(title: str, draw: Callable[[Figure], None], width: float = 4.2) -> Markup:
    """The SVG element of what ``draw`` puts on a figure ``width`` inches wide.

    Equal input gives equal bytes; the ink takes the colour of the text around it.
    """
    # Names inside the SVG are salted hashes; charts of one page must not share them.
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": f"dvdgan {title}"}):
        figure = Figure(figsize=(width, 2.4), layout="constrained")
        draw(figure)
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    drawing = written.getvalue()
    element = drawing[drawing.index("<svg") :].replace(INK, "currentColor")
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    # The size in points would overrule the page; the viewBox keeps the shape.
    return Markup(re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"', r"\1", element, count=1))


def _chart_of(key: str) -> str:
    ends = (title for ending, title in TOGETHER.items() if key.endswith(ending))
    return next(ends, key.partition("_")[0])


def _moves(values: Sequence[float]) -> bool:
    return not math.isclose(min(values), max(values), rel_tol=1e-6)
