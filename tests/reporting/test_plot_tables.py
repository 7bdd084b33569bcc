"""The tables that `dvc plots` draws."""

import csv
import io
from typing import Any

from dvdgan.reporting.plot_tables import MOST_ROWS, plot_tables

PROTOCOL = {"protocol": "self_trained", "clips": 64}
MEASURED: dict[str, Any] = {
    "generated": {"FVD": {"value": 1.5, "protocol": PROTOCOL}},
    "truncation": [
        {"level": 0.44, "FID": {"value": 3.0}, "IS": {"value": 1.5}},
        {"level": 1.0, "FID": {"value": 2.0}, "IS": {"value": 1.75}},
    ],
    "details": {
        "self_trained,64,c0ffee12": {
            "per_class": {
                "up, then down": {"accuracy": 0.5, "frechet_distance": None},
                "left": {"accuracy": 1.0, "frechet_distance": None},
            }
        },
        "tgan_is,9984,c0ffee12": {"per_class": {"left": {"accuracy": None}}},
    },
}


def evaluated(step: int, **metrics: float | None) -> dict[str, Any]:
    return {"event": "evaluated", "step": step, "metrics": metrics, "verdict": "healthy"}


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_a_long_run_becomes_means_over_equally_many_steps() -> None:
    telemetry = [
        {"step": step, "generator_loss": float(step), "spatial_loss": -1.0}
        for step in range(1, 2_000_001, 1000)
    ]
    heading, *points = rows(plot_tables(telemetry, [], MEASURED)["training/losses.csv"])
    assert heading == ["step", "G", "D_S"]
    assert len(points) == MOST_ROWS
    assert points[0] == ["9501", "9501", "-1"]  # of steps 1, 1001, ... 19001
    assert points[-1][0] == "1989501"


def test_steps_whose_numbers_are_not_finite_have_no_point() -> None:
    telemetry = [{"step": 1, "generator_loss": 0.5}, {"step": 2, "generator_loss": None}]
    text = plot_tables(telemetry, [], MEASURED)["training/losses.csv"]
    assert rows(text) == [["step", "G"], ["1", "0.5"]]


def test_checkpoints_that_were_rolled_back_are_left_out() -> None:
    ledger = [
        evaluated(10, FVD=3.0, IS=1.5),
        evaluated(20, FVD=9.0, IS=1.0),
        {"event": "rolled_back", "to_step": 10},
        evaluated(20, FVD=2.0, IS=None),
    ]
    tables = plot_tables([], ledger, MEASURED)
    assert rows(tables["checkpoints/FVD.csv"]) == [["step", "FVD"], ["10", "3"], ["20", "2"]]
    assert rows(tables["checkpoints/IS.csv"]) == [["step", "IS"], ["10", "1.5"]]


def test_classes_and_truncation_are_those_of_the_results() -> None:
    tables = plot_tables([], [], MEASURED)
    assert tables.keys() == {"truncation/FID.csv", "truncation/IS.csv", "classes/accuracy.csv"}
    assert rows(tables["truncation/FID.csv"]) == [["level", "FID"], ["0.44", "3"], ["1", "2"]]
    assert rows(tables["classes/accuracy.csv"]) == [
        ["class", "score"],
        ["left", "1"],
        ["up, then down", "0.5"],
    ]
