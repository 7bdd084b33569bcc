"""Tables of an ablation: aligned text for a terminal, Markdown, CSV."""

import csv
import io

from dvdgan.reporting.ablation import Ablation, Group, Spread
from dvdgan.reporting.scores import format_number

NOTHING = "-"


def heading(found: Ablation) -> str:
    """What is compared, at which step, and the meaning of +-."""
    runs = sum(group.runs for group in found.groups)
    step = "" if found.steps[-1] is None else f" at step {found.steps[-1]:,}"
    return f"{runs} runs by {', '.join(found.keys)}{step}; +- is the deviation (N - 1) over runs"


def measured_as(found: Ablation) -> str:
    """The full name of each metric in the first run, one per line."""
    return "\n".join(found.names)


def text_table(found: Ablation) -> str:
    """A line for each group: number of runs, then mean and deviation of each metric."""
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
    """The same as a Markdown table, with the full names of the metrics."""
    first, *rest = ["| " + " | ".join(row) + " |\n" for row in _rows(found)]
    names = [f"- `{name}`\n" for name in found.names]
    return "".join([first, "|" + "---|" * (first.count("|") - 1) + "\n", *rest, "\n", *names])


def csv_table(found: Ablation) -> str:
    """A line for each group, step and metric, with all digits, for other programs."""
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
    """Such as `12.3 +- 0.41`, with a count where the mean leaves out values that are not finite."""
    mean, deviation = (
        NOTHING if number is None else format_number(number)
        for number in (spread.mean, spread.deviation)
    )
    finite = "" if spread.runs == runs else f" ({spread.runs} of {runs})"
    return f"{mean} +- {deviation}{finite}"
