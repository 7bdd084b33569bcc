"""The tables behind `dvc plots`: training curves, metrics of checkpoints, truncation, classes."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dvdgan.guard.ledger import Event, evaluations

# `dvc plots` draws the curves of all networks in one colour: the noise of more points covers them.
MOST_ROWS = 100

# Table of training telemetry: its columns, each with its key in metrics.jsonl.
TRAINING = {
    "losses": {
        "G": "generator_loss",
        "D_S": "spatial_loss",
        "D_T": "temporal_loss",
    },
    "logits": {
        "D_S real": "spatial_real",
        "D_S generated": "spatial_fake",
        "D_T real": "temporal_real",
        "D_T generated": "temporal_fake",
    },
    "gradient_norms": {
        "G": "generator_gradient_norm",
        "D_S": "spatial_gradient_norm",
        "D_T": "temporal_gradient_norm",
    },
}
CLASS_SCORES = ("accuracy", "frechet_distance")

Row = Sequence[float | str]


def plot_tables(
    telemetry: Sequence[Mapping[str, Any]], ledger: list[Event], measured: Mapping[str, Any]
) -> dict[str, str]:
    """The tables of a run as CSV text, by path below the folder of plots.

    ``telemetry``: the lines of metrics.jsonl; ``ledger``: the events of ledger.jsonl; ``measured``:
    scores.results_by_name. What was not measured has no table, since `dvc plots` draws a chart for
    each table of a folder.
    """
    tables = {f"training/{name}.csv": _training(telemetry, TRAINING[name]) for name in TRAINING}
    evaluated = evaluations(ledger)
    for metric in sorted({name for event in evaluated for name in event["metrics"]}):
        points = [(event["step"], event["metrics"].get(metric)) for event in evaluated]
        tables[f"checkpoints/{metric}.csv"] = [("step", metric), *_finite(points)]
    for metric in ("FID", "IS"):
        levels = [(point["level"], point[metric]["value"]) for point in measured["truncation"]]
        tables[f"truncation/{metric}.csv"] = [("level", metric), *_finite(levels)]
    classes = _classes(measured)
    for score in CLASS_SCORES:
        scores = [(name, row.get(score)) for name, row in sorted(classes.items())]
        tables[f"classes/{score}.csv"] = [("class", "score"), *_finite(scores)]
    return {path: _csv(rows) for path, rows in tables.items() if len(rows) > 1}


def _training(telemetry: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> list[Row]:
    """At most MOST_ROWS rows, each the mean over equally many steps."""
    present = {name: key for name, key in columns.items() if any(key in row for row in telemetry)}
    values = np.array(
        [[row["step"], *(_number(row.get(key)) for key in present.values())] for row in telemetry],
        dtype=float,
    )
    if not present:
        return []
    parts = np.array_split(values, min(len(values), MOST_ROWS))
    means = [part.mean(axis=0).tolist() for part in parts]
    rows = [(round(step), *row) for step, *row in means if all(map(math.isfinite, row))]
    return [("step", *present), *rows]


def _classes(measured: Mapping[str, Any]) -> Mapping[str, Any]:
    """The scores of each class by the protocol that measures FVD, the run's first."""
    protocol = measured["generated"]["FVD"]["protocol"]["protocol"]
    for key, details in measured["details"].items():
        if key.partition(",")[0] == protocol:
            found: Mapping[str, Any] = details["per_class"]
            return found
    return {}


def _finite(points: Iterable[tuple[Any, float | None]]) -> list[Row]:
    return [(key, value) for key, each in points if math.isfinite(value := _number(each))]


def _number(value: Any) -> float:
    """None means that a number is not finite or was not measured."""
    return math.nan if value is None else float(value)


def _csv(rows: Iterable[Row]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows
    )
    return text.getvalue()
