"""The numbers of the page's interactive charts, and the events that are marked in them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dvdgan.guard import ledger
from dvdgan.guard.health import DEFECTS
from dvdgan.guard.ledger import Event
from dvdgan.reporting.scores import UNTRAINED, in_order, is_distance

# A chart of more points is no clearer and takes megabytes; one of fewer says no more than a table.
MOST_POINTS, LEAST_POINTS = 400, 3
DIGITS = 5

# An object of metrics.jsonl: numbers by key, with their step.
TelemetryRecord = dict[str, Any]
# Steps and values.
Series = tuple[Sequence[float], Sequence[float]]

# Telemetry that shares a chart, by the end of its key.
TOGETHER = {
    "_loss": "Losses",
    "_gradient_norm": "Gradient norms",
    "_learning_rate": "Learning rates",
    "_loss_scale": "Loss scales",
    "non_finite_gradients": "Gradients left out or not finite",
    "skipped_updates": "Gradients left out or not finite",
}
# Charts that are left out while all of their values are constant.
ONLY_IF_CHANGING = {"Learning rates", "Loss scales", "Gradients left out or not finite"}
NETWORKS = {
    "spatial": "spatial discriminator (D_S)",
    "temporal": "temporal discriminator (D_T)",
    "generator": "generator (G)",
    "discriminator": "discriminators",
}
SCORES = {"real": "real clips", "fake": "generated clips"}
ROLLED_BACK = "rolled back"


@dataclass(frozen=True)
class LineChart:
    """Lines over training steps."""

    title: str
    lines: dict[str, Series]
    """By name as shown."""
    is_distance: bool = False
    """Lower is better, and the axis is logarithmic at first."""

    @property
    def points(self) -> int:
        """How many steps have a value."""
        return len({step for steps, _ in self.lines.values() for step in steps})

    @property
    def summary(self) -> str:
        """For those who cannot see it: from where to where each line goes."""
        return "; ".join(
            f"{name}: {values[0]:.4g} at step {steps[0]:g}, {values[-1]:.4g} at step {steps[-1]:g}"
            for name, (steps, values) in self.lines.items()
        )

    def data(self) -> dict[str, Any]:
        """As uPlot takes it: one axis of all steps, None if a line has no value."""
        at = sorted({step for steps, _ in self.lines.values() for step in steps})
        columns = []
        for steps, values in self.lines.values():
            found = dict(zip(steps, values, strict=True))
            columns.append([_rounded(found[step]) if step in found else None for step in at])
        return {
            "names": list(self.lines),
            "columns": [at, *columns],
            "log": self.is_distance,
            "dots": self.points <= MOST_POINTS // 8,
        }


def training_curves(telemetry: list[TelemetryRecord]) -> list[LineChart]:
    """A chart for each group of keys in the training telemetry.

    Losses share one chart, gradient norms another; other keys are grouped by the part before their
    first underscore, such as spatial_real and spatial_fake.
    """
    groups: dict[str, dict[str, Series]] = {}
    for key in sorted({key for record in telemetry for key in record} - {"step"}):
        line = series(telemetry, key)
        if line[0]:
            title, name = _names(key)
            groups.setdefault(title, {})[name] = line
    return [
        LineChart(title, lines)
        for title, lines in groups.items()
        if title not in ONLY_IF_CHANGING or any(_changes(values) for _, values in lines.values())
    ]


def metric_curves(events: list[Event]) -> list[LineChart]:
    """Charts of the checkpoints' evaluations over training steps.

    One for each metric, with the value of the untrained generator and what rollbacks discarded.
    """
    evaluated = [event for event in events if event.get("event") == "evaluated"]
    kept = ledger.evaluations(events)
    discarded = _measured([event for event in evaluated if event not in kept], "metrics")
    levels: dict[str, float | None] = next(
        (event["untrained"]["metrics"] for event in events if event.get("event") == "baseline"), {}
    )
    charts = []
    metrics = _measured(kept, "metrics")
    for name in in_order({*metrics, *discarded}):
        lines = {name: metrics[name]} if name in metrics else {}
        if name in discarded:
            lines[f"{name}, {ROLLED_BACK}"] = discarded[name]
        level, steps = levels.get(name), [step for line in lines.values() for step in line[0]]
        if level is not None:
            ends = sorted({min(steps), max(steps)})
            lines[UNTRAINED] = (ends, [level] * len(ends))
        charts.append(LineChart(name, lines, is_distance=is_distance(name)))
    return charts


def health_curves(events: list[Event]) -> list[LineChart]:
    """Charts of the health metrics of samples: their variety, and the shares with a defect."""
    charts: dict[str, dict[str, Series]] = {}
    for name, line in _measured(ledger.evaluations(events), "health").items():
        title = "Samples with a defect (share)" if name in DEFECTS else "Variety of samples"
        charts.setdefault(title, {})[name.replace("_", " ")] = line
    return [LineChart(title, lines) for title, lines in charts.items()]


def marks(events: list[Event]) -> Iterator[dict[str, Any]]:
    """What the charts mark: steps that were the best so far, and rollbacks."""
    yield from ({"step": step, "kind": "best"} for step in sorted(ledger.best_so_far(events)))
    for event in events:
        if event["event"] == "rolled_back":
            # Early ledgers have the target alone.
            step = event.get("from_step") or event.get("to_step", event.get("step"))
            yield {"step": step, "kind": "rollback"}


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


def _measured(evaluated: list[Event], group: str) -> dict[str, Series]:
    records = [{"step": event["step"], **event.get(group, {})} for event in evaluated]
    names = sorted({key for record in records for key in record} - {"step"})
    lines = {name: series(records, name) for name in names}
    return {name: line for name, line in lines.items() if line[0]}


def _names(key: str) -> tuple[str, str]:
    """The chart's title and the line's name of a key of the telemetry."""
    for ending, title in TOGETHER.items():
        if key.endswith(ending):
            network = key.removesuffix(ending)
            return title, NETWORKS.get(network, key.replace("_", " "))
    network, _, rest = key.partition("_")
    if network in NETWORKS and rest in SCORES:
        return f"Scores of the {NETWORKS[network]}", SCORES[rest]
    return NETWORKS.get(network, network), rest.replace("_", " ") or network


def _changes(values: Sequence[float]) -> bool:
    return not math.isclose(min(values), max(values), rel_tol=1e-6)


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
