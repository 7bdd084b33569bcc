"""Health metrics of training: against numbers computed by hand."""

from statistics import fmean, median
from typing import Any

import pytest

from dvdgan.guard.health import training_health

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
    found = training_health(STEPS, [])
    assert found == {
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
    found = training_health([], lines)
    assert found == {"generator_singular_values": 1.5, "discriminators_singular_values": 0.5}
    assert training_health([], lines[:1]) == {}  # nothing to compare with
    lines[2]["generator"]["b"] = [None]
    assert training_health([], lines)["generator_singular_values"] is None
