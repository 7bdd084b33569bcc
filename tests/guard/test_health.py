"""When a run is healthy, suspect or collapsed: a table of cases."""

from dataclasses import replace
from typing import Any

import pytest
from lax_guard import LAX

from dvdgan.config.guard import Guard, Thresholds
from dvdgan.guard.health import (
    COLLAPSED,
    HEALTHY,
    SUSPECT,
    WARMING_UP,
    Baseline,
    Distance,
    EvaluationRecord,
    alarming,
    judge,
)

WELL = {
    "metrics": {"FVD": 100.0, "FID": 40.0, "IS": 3.0},
    "health": {"diversity": 1.0, "recall": 0.6, "static": 0.02, "near_duplicates": 0.0},
    "training": {
        "spatial_loss": 0.9,
        "spatial_gap": 1.5,
        "generator_gradient": 30.0,
        "generator_burst": 2.0,
        "generator_singular_values": 1.02,
    },
}


def guard(patience: int = 2, **thresholds: float) -> Guard:
    return Guard(
        samples=32,
        evaluate_every=10,
        patience=patience,
        thresholds=Thresholds(**(LAX | thresholds)),
        warm_up=1.0,
        max_rollbacks=1,
        learning_rate_scale=0.5,
        added_discriminator_steps=0,
    )


def record(step: int, **changes: float | None) -> EvaluationRecord:
    """A healthy record with some numbers changed, each in the group it belongs to."""
    groups: dict[str, Any] = {
        group: {name: changes.pop(name, value) for name, value in numbers.items()}
        for group, numbers in WELL.items()
    }
    assert not changes, f"{changes} are in no group"
    return EvaluationRecord(step, **groups)


def fvds(*values: float | None) -> list[EvaluationRecord]:
    return [record(10 * number, FVD=fvd) for number, fvd in enumerate(values, start=1)]


@pytest.mark.parametrize(
    ("past", "fvd", "expected"),
    [
        ([], 900.0, HEALTHY),  # nothing to compare with
        ([100.0], 200.0, HEALTHY),  # exactly the ratio
        ([100.0], 201.0, SUSPECT),
        ([100.0, 300.0], 201.0, COLLAPSED),
        ([100.0, 300.0], 140.0, HEALTHY),  # recovered
        ([100.0, 300.0], 150.0, COLLAPSED),  # not back half the way, by ratio
        ([100.0, 150.0], 150.0, HEALTHY),  # which is required only of a suspect run
        ([100.0, 300.0, 140.0], 300.0, SUSPECT),  # not in a row
        ([150.0, 100.0], 210.0, SUSPECT),  # the best, not the last
        ([100.0, 150.0], 210.0, SUSPECT),
    ],
)
def test_a_distance_is_compared_with_the_best(past: list, fvd: float, expected: str) -> None:
    verdict = judge(fvds(*past, fvd), guard(distance_ratio=2.0))
    assert verdict.state == expected
    assert bool(verdict.reasons) == (expected != HEALTHY)


@pytest.mark.parametrize("name", ["FVD", "IS", "diversity", "generator_singular_values"])
def test_a_number_that_is_not_finite_is_a_collapse_at_once(name: str) -> None:
    verdict = judge([record(40, **{name: None})], guard(patience=5))
    assert verdict.state == COLLAPSED
    assert verdict.reasons == [f"{name} not finite at step 40"]
    assert verdict.began == 40


@pytest.mark.parametrize(
    ("threshold", "change", "reason"),
    [
        (
            {"distance_ratio": 2.0},
            {"FID": 81.0},
            "FID 81 at step 20 is more than 2 times the lowest, 40",
        ),
        (
            {"spread_ratio": 0.5},
            {"IS": 1.4},
            "IS 1.4 at step 20 is less than 0.5 times the best checkpoint's, 3",
        ),
        ({"recall_ratio": 0.5}, {"recall": 0.29}, "recall 0.29 at step 20"),
        (
            {"defect_rise": 0.3},
            {"static": 0.33},
            "33% of the samples are static at step 20, of the best checkpoint's 2%",
        ),
        ({"defect_rise": 0.3}, {"near_duplicates": 0.5}, "50% of the samples are near duplicates"),
        (
            {"discriminator_loss": 0.01, "logit_gap": 10.0},
            {"spatial_loss": 0.0, "spatial_gap": 12.0},
            "the spatial discriminator has won: loss 0, logits 12 apart before step 20",
        ),
        (
            {"gradient_ratio": 8.0},
            {"generator_gradient": 250.0},
            "generator gradient 250 before step 20 is more than 8 times the highest, 30",
        ),
        ({"gradient_ratio": 8.0}, {"generator_burst": 17.0}, "generator burst 17 before step 20"),
        (
            {"gradient_ratio": 8.0},
            {"generator_gradient": 3.0},
            "generator gradient 3 before step 20 is less than 0.125 times the lowest, 30",
        ),
        (
            {"singular_value_ratio": 1.5},
            {"generator_singular_values": 1.6},
            "grew 1.6 times before step 20 is more than 1.5 times the highest growth, 1.02",
        ),
        (
            {"singular_value_change": 1e-4},
            {"generator_singular_values": 1.0},
            "generator singular values do not change before step 20",
        ),
    ],
)
def test_each_criterion_has_a_reason_with_its_values(
    threshold: dict, change: dict, reason: str
) -> None:
    verdict = judge([record(10), record(20, **change)], guard(**threshold))
    assert (verdict.state, verdict.began) == (SUSPECT, 20)
    (found,) = verdict.reasons
    assert reason in found
    # The same in the next record makes a collapse.
    later = judge([record(10), record(20, **change), record(30, **change)], guard(**threshold))
    assert (later.state, later.began) == (COLLAPSED, 20)
    assert later.reasons[0].endswith("2 evaluations in a row are suspect")
    # And without its threshold it is none.
    assert judge([record(10), record(20, **change)], guard()).state == HEALTHY


@pytest.mark.parametrize(
    "both", [{"spatial_loss": 0.0, "spatial_gap": 3.0}, {"spatial_loss": 0.5, "spatial_gap": 90.0}]
)
def test_a_discriminator_has_won_only_by_loss_and_logits(both: dict) -> None:
    limits = guard(discriminator_loss=0.01, logit_gap=10.0)
    assert judge([record(10), record(20, **both)], limits).state == HEALTHY


def test_patience_counts_records() -> None:
    patient = guard(patience=3, distance_ratio=2.0)
    assert judge(fvds(100.0, 300.0, 500.0), patient).state == SUSPECT
    verdict = judge(fvds(100.0, 300.0, 400.0, 500.0), patient)
    assert (verdict.state, verdict.began) == (COLLAPSED, 20)
    assert verdict.reasons == [
        "FVD 500 at step 40 is more than 1.41 times the lowest, 100; 3 evaluations in a row are "
        "suspect"
    ]


def test_patience_of_one_needs_no_second_record() -> None:
    strict = guard(patience=1, distance_ratio=2.0)
    assert judge(fvds(1.0, 9.0), strict).state == COLLAPSED


def test_a_run_is_not_compared_with_what_it_never_reached() -> None:
    """The first samples of any run are all alike, still and grey."""
    untrained = record(10, diversity=0.01, recall=0.0, static=1.0, FVD=900.0)
    limits = guard(spread_ratio=0.5, recall_ratio=0.5, defect_rise=0.3, distance_ratio=2.0)
    assert judge([untrained], limits).state == HEALTHY
    assert judge([untrained, record(20), record(30)], limits).state == HEALTHY
    assert judge([untrained, record(20), untrained], limits).state == SUSPECT


def test_training_alone_can_alarm_before_samples_are_measured() -> None:
    limits = guard(gradient_ratio=8.0)
    burst = EvaluationRecord(20, training=WELL["training"] | {"generator_gradient": 900.0})
    assert alarming(burst, [record(10)], limits)
    assert not alarming(EvaluationRecord(20, training=WELL["training"]), [record(10)], limits)


def test_more_diverse_than_real_clips_is_no_merit() -> None:
    """A generator that confuses classes is so within each; learning them is no collapse."""
    limits = guard(spread_ratio=0.5)
    assert judge([record(10, diversity=4.0), record(20, diversity=0.6)], limits).state == HEALTHY
    assert judge([record(10, diversity=4.0), record(20, diversity=0.4)], limits).state == SUSPECT


def test_samples_are_compared_with_the_best_checkpoint_not_with_the_best_of_each_value() -> None:
    """Young samples are diverse as noise is, and do not flicker; that is no merit either."""
    noise = record(10, FVD=300.0, diversity=1.0, static=0.0)
    learnt = record(20, FVD=90.0, diversity=0.6, static=0.3)
    limits = guard(spread_ratio=0.5, defect_rise=0.3)
    now = {"diversity": 0.4, "static": 0.5}
    assert judge([noise, learnt, record(30, **now)], limits).state == HEALTHY
    assert judge([noise, record(30, **now)], limits).state == SUSPECT


BASELINE = Baseline(
    Distance(38.6, 36.0, 41.0), Distance(50.0, 50.0, 50.0), {"FVD": 38.6, "FID": 40.0}
)


def measured(step: int, fvd: float, reach: float, **changes: float | None) -> EvaluationRecord:
    """A record whose FVD has an interval."""
    return replace(record(step, FVD=fvd, **changes), intervals={"FVD": [fvd - reach, fvd + reach]})


@pytest.mark.parametrize(
    ("fvd", "reach", "expected"),
    [
        (49.2, 3.0, WARMING_UP),  # farther from real clips than untrained samples
        (37.0, 3.0, WARMING_UP),  # nearer by chance
        (33.5, 3.0, WARMING_UP),  # nearer, and the intervals overlap
        (32.0, 3.0, HEALTHY),
        (10.0, 1.0, HEALTHY),
    ],
)
def test_a_checkpoint_is_healthy_only_clearly_below_the_untrained_generator(
    fvd: float, reach: float, expected: str
) -> None:
    limits = guard(baseline_factor=1.0)
    assert judge([measured(10, fvd, reach)], limits, BASELINE).state == expected
    # A run that is only warming up never collapses for that.
    records = [measured(step, fvd, reach) for step in range(10, 100, 10)]
    assert judge(records, limits, BASELINE).state == expected


def test_the_factor_requires_more_or_less_than_the_untrained_generator() -> None:
    assert (
        judge([measured(10, 32.0, 3.0)], guard(baseline_factor=0.5), BASELINE).state == WARMING_UP
    )
    assert judge([measured(10, 49.2, 3.0)], guard(baseline_factor=2.0), BASELINE).state == HEALTHY


def test_without_a_baseline_nothing_is_warming_up() -> None:
    assert judge([measured(10, 900.0, 3.0)], guard(baseline_factor=1.0)).state == HEALTHY


def test_a_healthy_run_that_falls_back_behind_the_untrained_generator_is_suspect() -> None:
    limits = guard(baseline_factor=1.0)
    records = [measured(10, 20.0, 1.0), measured(20, 39.0, 1.0), measured(30, 39.0, 1.0)]
    verdict = judge(records[:2], limits, BASELINE)
    assert (verdict.state, verdict.reasons) == (
        SUSPECT,
        ["FVD 39 at step 20 is higher than that of the untrained generator, 38.6"],
    )
    assert judge(records, limits, BASELINE).state == COLLAPSED
    # In between it is neither: no place to go back to, no collapse.
    records[1:] = [measured(20, 37.0, 3.0), measured(30, 37.0, 3.0)]
    assert judge(records, limits, BASELINE).state == WARMING_UP


def test_samples_of_the_warm_up_are_no_measure_for_later_ones() -> None:
    """Of the warm-up only what training did is compared."""
    limits = guard(baseline_factor=1.0, distance_ratio=2.0, spread_ratio=0.5, gradient_ratio=8.0)
    young = measured(10, 40.0, 2.0, diversity=1.0)
    assert judge([young, measured(20, 10.0, 1.0, diversity=0.3)], limits, BASELINE).state == HEALTHY
    burst = measured(20, 40.0, 2.0, generator_gradient=900.0)
    assert judge([young, burst], limits, BASELINE).state == SUSPECT


@pytest.mark.parametrize(("fvd", "expected"), [(7.0, HEALTHY), (7.8, SUSPECT)])
def test_near_zero_a_distance_wavers_by_multiples_of_itself(fvd: float, expected: str) -> None:
    """The lowest counts as at least a tenth of the untrained generator's, here 3.86."""
    limits = guard(baseline_factor=1.0, distance_ratio=2.0, distance_floor=0.1)
    verdict = judge([measured(10, 0.3, 0.1), measured(20, fvd, 0.1)], limits, BASELINE)
    assert verdict.state == expected
    if verdict.reasons:
        assert verdict.reasons == ["FVD 7.8 at step 20 is more than 2 times the floor, 3.86"]
    # Where the lowest is above the floor, it counts.
    records = [measured(10, 10.0, 0.1), measured(20, 20.5, 0.1)]
    assert "the lowest, 10" in judge(records, limits, BASELINE).reasons[0]


def test_a_gradient_of_zero_needs_no_comparison() -> None:
    dead = [measured(step, 49.0, 1.0, generator_gradient=0.0) for step in (10, 20)]
    assert judge(dead[:1], guard(), BASELINE).reasons == ["generator gradient is 0 before step 10"]
    assert judge(dead, guard(), BASELINE).state == COLLAPSED


def test_an_untrained_generator_without_finite_samples_is_beaten_by_any_finite_ones() -> None:
    nothing = Distance.of({"FVD": None}, {})
    verdict = judge([measured(10, 90.0, 1.0)], guard(), Baseline(nothing, nothing))
    assert verdict.state == HEALTHY
