"""An ablation as text: aligned for a terminal, Markdown for a page, CSV for other programs."""

import csv
import io

from dvdgan.reporting.ablation import Ablation, Group, Spread
from dvdgan.reporting.scores import shown

NOTHING = "-"


def heading(found: Ablation) -> str:
    """What was compared, where, and what stands behind +-."""
    runs = sum(group.runs for group in found.groups)
    step = "" if found.steps[-1] is None else f" at step {found.steps[-1]:,}"
    return f"{runs} runs by {', '.join(found.keys)}{step}; +- is the deviation (N - 1) over runs"


def measured_as(found: Ablation) -> str:
    """The full name of each metric in the first run, a line each: the protocol all runs share."""
    return "\n".join(found.names)


def text_table(found: Ablation) -> str:
    """A line for each group: how many runs, then mean and deviation of each metric."""
    rows = _rows(found)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    keys = len(found.keys)
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < keys else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def markdown_table(found: Ablation) -> str:
    """The same as a Markdown table, and how it was measured."""
    first, *rest = ["| " + " | ".join(row) + " |\n" for row in _rows(found)]
    names = [f"- `{name}`\n" for name in found.names]
    return "".join([first, "|" + "---|" * (first.count("|") - 1) + "\n", *rest, "\n", *names])


def csv_table(found: Ablation) -> str:
    """A line for each group, step and metric, with all digits: to draw it anew elsewhere."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow([*found.keys, "step", "metric", "mean", "deviation", "finite_runs"])
    for group in found.groups:
        for step in found.steps:
            for metric in found.metrics:
                spread = group.steps[step][metric]
                numbers = [spread.mean, spread.deviation, spread.runs]
                table.writerow([*group.values, step, metric, *numbers])
    return written.getvalue()


def _rows(found: Ablation) -> list[list[str]]:
    head = [*found.keys, "runs", *found.metrics]
    return [head, *(_row(group, found) for group in found.groups)]


def _row(group: Group, found: Ablation) -> list[str]:
    last = group.steps[found.steps[-1]]
    cells = [_cell(last[metric], group.runs) for metric in found.metrics]
    return [*map(str, group.values), str(group.runs), *cells]


def _cell(spread: Spread, runs: int) -> str:
    """Such as `12.3 +- 0.41`; runs that are not finite are told, for the mean lacks them."""
    mean, deviation = (
        NOTHING if number is None else shown(number) for number in (spread.mean, spread.deviation)
    )
    told = "" if spread.runs == runs else f" ({spread.runs} of {runs})"
    return f"{mean} +- {deviation}{told}"
