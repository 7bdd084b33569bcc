"""Telemetry in a few numbers: against the numbers told by hand, and files read from their end."""

import json
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest

from dvdgan.guard import training_health as module
from dvdgan.guard.training_health import lines_between, training_health

STEPS = [
    {
        "step": step,
        "spatial_loss": loss,
        "spatial_real": 2.0 + step,
        "spatial_fake": -1.0,
        "spatial_gradient_norm": 4.0,
        "generator_gradient_norm": norm,
        "generator_loss": 0.5,
    }
    for step, loss, norm in [(1, 0.5, 10.0), (2, 0.1, 90.0), (3, 0.3, 30.0), (4, 0.2, 20.0)]
]


def test_losses_logits_and_gradients() -> None:
    told = training_health(STEPS, [])
    assert told == {
        "spatial_loss": median([0.5, 0.1, 0.3, 0.2]),
        "spatial_gap": pytest.approx(fmean([3.0, 4.0, 5.0, 6.0]) + 1.0),
        "spatial_gradient": 4.0,
        "spatial_burst": 1.0,
        "generator_gradient": 25.0,
        "generator_burst": 90.0 / 25.0,
    }


def test_a_gradient_left_out_of_fp16_is_no_value() -> None:
    line: dict[str, Any] = dict(STEPS[0])
    del line["generator_gradient_norm"]
    assert training_health([line, STEPS[2]], [])["generator_gradient"] == 30.0
    assert training_health([], []) == {}


def test_singular_values_grow_by_the_layer_that_grew_most() -> None:
    lines = [
        {"step": 10, "generator": {"a": [2.0, 1.0], "b": [1.0]}, "discriminators": {"c": [1.0]}},
        {"step": 15, "generator": {"a": [9.0, 1.0], "b": [1.0]}, "discriminators": {"c": [1.0]}},
        {"step": 20, "generator": {"a": [2.2, 9.0], "b": [1.5]}, "discriminators": {"c": [0.5]}},
    ]
    told = training_health([], lines)
    assert told == {"generator_singular_values": 1.5, "discriminators_singular_values": 0.5}
    assert training_health([], lines[:1]) == {}  # nothing to compare with
    lines[2]["generator"]["b"] = [None]
    assert training_health([], lines)["generator_singular_values"] is None


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 20])
def test_lines_are_found_from_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", block)
    path = tmp_path / "metrics.jsonl"
    assert lines_between(path, 1, 5) == []
    lines = [{"step": step, "x": "y" * (step % 5)} for step in range(1, 31)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 31, "x')
    for first, last in [(1, 30), (1, 3), (30, 30), (29, 99), (12, 17), (40, 50), (31, 31)]:
        expected = [line for line in lines if first <= line["step"] <= last]
        assert lines_between(path, first, last) == expected


def test_a_long_file_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies further back than it must look is no JSON, and does not disturb."""
    monkeypatch.setattr(module, "BLOCK_BYTES", 64)
    path = tmp_path / "metrics.jsonl"
    tail = "".join(json.dumps({"step": step}) + "\n" for step in range(90, 101))
    path.write_text("no JSON at all\n" * 1000 + tail)
    assert [line["step"] for line in lines_between(path, 95, 100)] == list(range(95, 101))
