"""Predictions as text for the terminal, as JSON, and as rows of docs/scaling.md."""

import textwrap
from collections.abc import Sequence
from typing import Any

from dvdgan.reporting.costs import table
from dvdgan.scaling.advice import MEASURED_CLIPS, Limit
from dvdgan.scaling.hardware import Cluster
from dvdgan.scaling.prediction import Prediction
from dvdgan.scaling.workload import Workload

WIDTH = 100
# Shares below are left out of the table.
SHOWN = 0.01

PredictionRow = tuple[Prediction, Limit]


def terminal_page(
    workload: Workload,
    rows: Sequence[PredictionRow],
    cluster: Cluster,
    rate_source: str,
    price: float | None,
) -> str:
    """A table with a line for each number of GPUs, and what breaks first at each."""
    head = ["GPUs", "clips/GPU", "clips/s", "step", "time", "GPU hours"]
    head += [] if price is None else ["cost"]
    cells = [head, *(_cells(prediction, price) for prediction, _ in rows)]
    lines = [
        f"{workload.name}: {workload.steps:,} steps of {workload.batch:,} clips, "
        f"{workload.precision}, on {cluster.card.title}s, {cluster.gpus_per_node} a node",
        f"rate: {rate_source}",
        "",
        table(cells, texts=0),
        "",
    ]
    for prediction, limit in rows:
        lines += textwrap.wrap(_sentence(prediction, limit), WIDTH, subsequent_indent="    ")
    return "\n".join(lines)


def _sentence(prediction: Prediction, limit: Limit) -> str:
    if prediction.refused is not None:
        return f"{prediction.gpus} GPUs: {prediction.refused}. {limit.change}"
    found = f"{prediction.gpus} GPUs: {shares(prediction)}. First: {limit.part}. {limit.change}"
    if prediction.clips_per_gpu // prediction.workload.accumulation < MEASURED_CLIPS:
        found += f" Extrapolated: the rate was measured at {MEASURED_CLIPS} and more clips a GPU."
    return found


def _cells(prediction: Prediction, price: float | None) -> tuple[str, ...]:
    if prediction.refused is not None:
        return (str(prediction.gpus), *["-"] * (5 if price is None else 6))
    parts = prediction.workload.accumulation
    each = prediction.clips_per_gpu // parts
    cost = [] if price is None else [f"{price * prediction.gpu_hours:,.0f}"]
    return (
        str(prediction.gpus),
        str(each) if parts == 1 else f"{parts} x {each}",
        f"{prediction.clips_per_second:,.0f}",
        f"{prediction.step:.3g} s",
        hours(prediction.hours),
        f"{prediction.gpu_hours:,.0f}"
        if prediction.gpu_hours >= 10
        else f"{prediction.gpu_hours:.2g}",
        *cost,
    )


def shares(prediction: Prediction) -> str:
    """The largest shares of the time, at most three: launches 52%, weights 19%."""
    found = sorted(prediction.shares.items(), key=lambda share: -share[1])
    return ", ".join(f"{part} {share:.0%}" for part, share in found[:3] if share >= SHOWN)


def hours(value: float) -> str:
    """176.9 h; 12 min below an hour."""
    return f"{value * 60:.0f} min" if value < 1 else f"{value:,.1f} h"


def as_json(rows: Sequence[PredictionRow], price: float | None) -> list[dict[str, Any]]:
    """A dictionary for each prediction; times in hours or seconds as their names say."""
    return [_json(prediction, limit, price) for prediction, limit in rows]


def _json(prediction: Prediction, limit: Limit, price: float | None) -> dict[str, Any]:
    workload = prediction.workload
    found: dict[str, Any] = {
        "name": workload.name,
        "precision": workload.precision,
        "gpus": prediction.gpus,
        "nodes": prediction.nodes,
        "breaks_first": limit.part,
        "change": limit.change,
    }
    if prediction.refused is not None:
        return found
    found |= {
        "accumulation": workload.accumulation,
        "clips_per_gpu": prediction.clips_per_gpu,
        "clips_per_second": prediction.clips_per_second,
        "step_seconds": prediction.step,
        "hours": prediction.hours,
        "gpu_hours": prediction.gpu_hours,
        "shares": prediction.shares,
        "generator_gradient_bytes": workload.generator_gradients,
        "discriminator_gradient_bytes": workload.discriminator_gradients,
        "checkpoint_pause_seconds": prediction.checkpoint_pause,
        "hours_between_failures": prediction.between_failures / 3600,
        "advised_checkpoint_every": prediction.advised_checkpoint_every,
    }
    return found if price is None else found | {"cost": price * prediction.gpu_hours}
