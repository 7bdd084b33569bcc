"""Charts: grouping of telemetry, averaging against plain means, bars, colours of the page."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from dvdgan.reporting.charts import (
    COLOURS,
    INK,
    MOST_POINTS,
    bar_chart,
    chart,
    metric_curves,
    series,
    training_curves,
    truncation_chart,
)


def test_keys_meet_by_prefix_and_losses_share_a_chart():
    record = {"step": 1, "d_loss": 1.0, "g_loss": 2.0, "spatial_real": 0, "spatial_fake": 1}
    assert list(training_curves([record | {"note": "text"}])) == ["losses", "spatial"]


STEP_FIGURES = {
    "spatial_loss": 1.0,
    "spatial_real": 0.5,
    "spatial_fake": -0.5,
    "temporal_loss": 1.0,
    "temporal_real": 0.5,
    "temporal_fake": -0.5,
    "generator_loss": 0.1,
    "generator_gradient_norm": 3.0,
    "spatial_gradient_norm": 2.0,
    "temporal_gradient_norm": 2.0,
    "generator_learning_rate": 1e-4,
    "discriminator_learning_rate": 4e-4,
    "generator_loss_scale": 65536.0,
    "discriminator_loss_scale": 65536.0,
    "non_finite_gradients": 0.0,
    "skipped_updates": 0.0,
}
ALWAYS = {"losses", "spatial", "temporal", "gradient norms"}


def test_settings_and_alarms_have_a_chart_only_when_they_move():
    steady = [{"step": step, **STEP_FIGURES} for step in range(4)]
    assert set(training_curves(steady)) == ALWAYS
    moved = {"step": 4, **STEP_FIGURES, "generator_learning_rate": 5e-5, "skipped_updates": 1.0}
    charts = training_curves([*steady, moved])
    assert set(charts) == ALWAYS | {"learning rates", "left out or not finite"}
    assert "spatial_gradient_norm" in charts["gradient norms"]


def test_values_that_are_no_numbers_are_left_out():
    records = [{"step": 1, "a": float("nan")}, {"step": 2, "a": 3}, {"step": 3}]
    assert series(records, "a") == ([2.0], [3.0])
    assert series(records, "b") == ((), ())


def test_long_series_become_means_of_runs():
    values = np.random.default_rng(0).normal(size=10 * MOST_POINTS)
    records = [{"step": step, "a": value} for step, value in enumerate(values.tolist())]
    steps, means = series(records, "a")
    assert means == pytest.approx(values.reshape(-1, 10).mean(1))
    assert steps[0] == 4.5


def test_only_evaluated_checkpoints_make_metric_curves():
    ledger = [
        {"event": "promoted", "step": 1},
        {
            "event": "evaluated",
            "step": 2,
            "metrics": {"FVD": 10.0, "FID": None},
            "health": {"static": 0.1, "recall": 0.5, "near_duplicates": 0.0},
        },
    ]
    charts = metric_curves(ledger)
    assert list(charts) == ["FVD", "samples with a defect", "variety of samples"]
    assert "near duplicates" in charts["samples with a defect"]
    assert "untrained generator" not in charts["FVD"]
    baseline = {
        "event": "baseline",
        "untrained": {"metrics": {"FVD": 30.0, "FID": None}, "intervals": {"FVD": [28.0, 32.0]}},
        "mean_clip": {"metrics": {"FVD": 50.0}, "intervals": {}},
    }
    assert "untrained generator" in metric_curves([baseline, *ledger])["FVD"]


def test_a_chart_is_svg_in_the_ink_of_the_page_and_the_same_twice():
    lines = {"<b>": ([1, 2], [3, 4]), "other": ([1, 2], [4, 3])}
    drawing = chart("title", lines)
    root = ElementTree.fromstring(drawing)
    assert root.tag.endswith("svg")
    assert "<b>" in "".join(root.itertext())
    assert "currentColor" in drawing
    assert INK not in drawing
    assert chart("title", lines) == drawing


def test_a_bar_chart_shows_names_values_and_the_threshold():
    values = {"motion": 0.42, "<b>": 0.0, "contrast": 1873.0}
    drawing = bar_chart("drift", values, ["motion"], threshold=0.1, log_scale=True)
    texts = {text.strip() for text in ElementTree.fromstring(drawing).itertext()}
    assert {"motion", "<b>", "contrast", "0.42", "0", "1,873", "1,000"} <= texts
    assert not any("$" in text for text in texts)
    assert drawing.count(COLOURS[1]) == 1  # the highlighted bar
    assert drawing.count("stroke-dasharray: ") == 1
    assert bar_chart("drift", values, ["motion"], threshold=0.1, log_scale=True) == drawing
    assert "stroke-dasharray: " not in bar_chart("drift", values)


def test_every_level_is_written_at_its_point():
    points = [
        {"level": 1.0, "FID": 2.0, "IS": 60.0},
        {"level": 0.44, "FID": 12.0, "IS": 130.0},
        {"level": 0.7, "FID": 5.0, "IS": 90.0},
    ]
    drawing = truncation_chart(points)
    texts = [text.strip() for text in ElementTree.fromstring(drawing).itertext() if text.strip()]
    assert {"0.44", "0.7", "1", "IS", "FID"} <= set(texts)
    assert drawing == truncation_chart(points[::-1])
