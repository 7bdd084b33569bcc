"""Charts: groups and names of telemetry, averages against plain means, marks, columns."""

import numpy as np
import pytest

from dvdgan.reporting.charts import (
    MOST_POINTS,
    LineChart,
    health_curves,
    marks,
    metric_curves,
    series,
    training_curves,
)


def test_scores_and_losses_have_names_a_person_reads():
    record = {"step": 1, "d_loss": 1.0, "generator_loss": 2.0, "spatial_real": 0, "spatial_fake": 1}
    losses, scores = training_curves([record | {"note": "text"}])
    assert (losses.title, list(losses.lines)) == ("Losses", ["d loss", "generator (G)"])
    assert list(scores.lines) == ["generated clips", "real clips"]


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
ALWAYS = {
    "Losses",
    "Gradient norms",
    "Scores of the spatial discriminator (D_S)",
    "Scores of the temporal discriminator (D_T)",
}


def by_title(charts):
    return {each.title: each for each in charts}


def test_settings_and_alarms_have_a_chart_only_when_they_move():
    steady = [{"step": step, **STEP_FIGURES} for step in range(4)]
    assert set(by_title(training_curves(steady))) == ALWAYS
    moved = {"step": 4, **STEP_FIGURES, "generator_learning_rate": 5e-5, "skipped_updates": 1.0}
    charts = by_title(training_curves([*steady, moved]))
    assert set(charts) == ALWAYS | {"Learning rates", "Gradients left out or not finite"}
    assert "spatial discriminator (D_S)" in charts["Gradient norms"].lines


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


def evaluated(step, fvd, verdict="healthy"):
    return {"event": "evaluated", "step": step, "metrics": {"FVD": fvd}, "verdict": verdict}


BASELINE = {
    "event": "baseline",
    "untrained": {"metrics": {"FVD": 30.0, "FID": None}, "intervals": {"FVD": [28.0, 32.0]}},
    "mean_clip": {"metrics": {"FVD": 50.0}, "intervals": {}},
}
ROLLBACK = {"event": "rolled_back", "from_step": 4, "to_step": 2}


def test_metrics_of_checkpoints_stand_beside_the_untrained_generator():
    health = {"static": 0.1, "recall": 0.5, "near_duplicates": 0.0}
    charts = by_title(health_curves([evaluated(2, 10.0) | {"health": health}]))
    assert list(charts) == ["Samples with a defect (share)", "Variety of samples"]
    assert "near duplicates" in charts["Samples with a defect (share)"].lines
    [fvd] = metric_curves([BASELINE, evaluated(2, 10.0), evaluated(4, 9.0)])
    assert fvd.lines["untrained generator"] == ([2, 4], [30.0, 30.0])
    assert fvd.is_distance


def test_what_a_rollback_discarded_is_shown_apart():
    [fvd] = metric_curves([evaluated(2, 9.0), evaluated(4, 50.0), ROLLBACK, evaluated(4, 8.0)])
    assert fvd.lines["FVD"] == ([2.0, 4.0], [9.0, 8.0])
    assert fvd.lines["FVD, rolled back"] == ([4.0], [50.0])


def test_bests_and_rollbacks_are_marked():
    events = [evaluated(2, 9.0), evaluated(4, 50.0, "collapsed"), ROLLBACK, evaluated(6, 8.0)]
    assert list(marks(events)) == [
        {"step": 2, "kind": "best"},
        {"step": 6, "kind": "best"},
        {"step": 4, "kind": "rollback"},
    ]


def test_columns_have_every_step_and_gaps_where_a_line_has_none():
    found = LineChart("t", {"a": ([1, 3], [0.1234567, 4.0]), "b": ([2], [7.0])}).data()
    assert found["columns"] == [[1, 2, 3], [0.12346, None, 4.0], [None, 7.0, None]]
    assert found["names"] == ["a", "b"]


def test_a_chart_is_described_in_words():
    summary = LineChart("t", {"FVD": ([1, 9], [20.0, 3.5])}).summary
    assert summary == "FVD: 20 at step 1, 3.5 at step 9"
