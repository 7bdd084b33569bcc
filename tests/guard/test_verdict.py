"""When a run is healthy, suspect or collapsed: a table of cases."""

from typing import Any

import pytest
from lax_guard import LAX

from dvdgan.config.guard import Guard, Thresholds
from dvdgan.guard.reading import Reading
from dvdgan.guard.verdict import COLLAPSED, HEALTHY, SUSPECT, alarming, judge

WELL = {
    "metrics": {"FVD": 100.0, "FID": 40.0, "IS": 3.0},
    "signs": {"diversity": 1.0, "recall": 0.6, "static": 0.02, "near_duplicates": 0.0},
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
        max_rollbacks=1,
        learning_rate_scale=0.5,
        added_discriminator_steps=0,
    )


def reading(step: int, **changes: float | None) -> Reading:
    """A healthy reading with some numbers changed, each in the group it belongs to."""
    groups: dict[str, Any] = {
        group: {name: changes.pop(name, value) for name, value in numbers.items()}
        for group, numbers in WELL.items()
    }
    assert not changes, f"{changes} stand in no group"
    return Reading(step, **groups)


def fvds(*values: float | None) -> list[Reading]:
    return [reading(10 * number, FVD=fvd) for number, fvd in enumerate(values, start=1)]


@pytest.mark.parametrize(
    ("past", "fvd", "expected"),
    [
        ([], 900.0, HEALTHY),  # nothing to compare with
        ([100.0], 200.0, HEALTHY),  # exactly the ratio
        ([100.0], 201.0, SUSPECT),
        ([100.0, 300.0], 201.0, COLLAPSED),
        ([100.0, 300.0], 140.0, HEALTHY),  # recovered
        ([100.0, 300.0], 150.0, COLLAPSED),  # not back half the way, by ratio
        ([100.0, 150.0], 150.0, HEALTHY),  # which is asked only of a suspect run
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
    verdict = judge([reading(40, **{name: None})], guard(patience=5))
    assert verdict.state == COLLAPSED
    assert verdict.reasons == [f"{name} not finite at step 40"]
    assert verdict.began == 40


@pytest.mark.parametrize(
    ("threshold", "sign", "words"),
    [
        (
            {"distance_ratio": 2.0},
            {"FID": 81.0},
            "FID 81 at step 20 is more than 2 times the lowest, 40",
        ),
        (
            {"spread_ratio": 0.5},
            {"IS": 1.4},
            "IS 1.4 at step 20 is less than 0.5 times the best reading's, 3",
        ),
        ({"recall_ratio": 0.5}, {"recall": 0.29}, "recall 0.29 at step 20"),
        (
            {"defect_rise": 0.3},
            {"static": 0.33},
            "33% of the samples are static at step 20, of the best reading 2%",
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
            "generator singular values stand still before step 20",
        ),
    ],
)
def test_each_sign_is_told_in_words_and_figures(threshold: dict, sign: dict, words: str) -> None:
    verdict = judge([reading(10), reading(20, **sign)], guard(**threshold))
    assert (verdict.state, verdict.began) == (SUSPECT, 20)
    (reason,) = verdict.reasons
    assert words in reason
    # The same sign in the next reading makes a collapse.
    later = judge([reading(10), reading(20, **sign), reading(30, **sign)], guard(**threshold))
    assert (later.state, later.began) == (COLLAPSED, 20)
    assert later.reasons[0].endswith("2 readings in a row are suspect")
    # And without its threshold it is none.
    assert judge([reading(10), reading(20, **sign)], guard()).state == HEALTHY


@pytest.mark.parametrize(
    "both", [{"spatial_loss": 0.0, "spatial_gap": 3.0}, {"spatial_loss": 0.5, "spatial_gap": 90.0}]
)
def test_a_discriminator_has_won_only_by_both_signs(both: dict) -> None:
    limits = guard(discriminator_loss=0.01, logit_gap=10.0)
    assert judge([reading(10), reading(20, **both)], limits).state == HEALTHY


def test_patience_counts_readings() -> None:
    patient = guard(patience=3, distance_ratio=2.0)
    assert judge(fvds(100.0, 300.0, 500.0), patient).state == SUSPECT
    verdict = judge(fvds(100.0, 300.0, 400.0, 500.0), patient)
    assert (verdict.state, verdict.began) == (COLLAPSED, 20)
    assert verdict.reasons == [
        "FVD 500 at step 40 is more than 1.41 times the lowest, 100; 3 readings in a row are "
        "suspect"
    ]


def test_patience_of_one_needs_no_second_look() -> None:
    strict = guard(patience=1, distance_ratio=2.0)
    assert judge(fvds(1.0, 9.0), strict).state == COLLAPSED


def test_what_a_run_never_was_it_cannot_cease_to_be() -> None:
    """The first samples of any run are all alike, still and grey."""
    untrained = reading(10, diversity=0.01, recall=0.0, static=1.0, FVD=900.0)
    limits = guard(spread_ratio=0.5, recall_ratio=0.5, defect_rise=0.3, distance_ratio=2.0)
    assert judge([untrained], limits).state == HEALTHY
    assert judge([untrained, reading(20), reading(30)], limits).state == HEALTHY
    assert judge([untrained, reading(20), untrained], limits).state == SUSPECT


def test_training_alone_can_alarm_before_samples_are_measured() -> None:
    limits = guard(gradient_ratio=8.0)
    burst = Reading(20, training=WELL["training"] | {"generator_gradient": 900.0})
    assert alarming(burst, [reading(10)], limits)
    assert not alarming(Reading(20, training=WELL["training"]), [reading(10)], limits)


def test_more_diverse_than_real_clips_is_no_merit() -> None:
    """A generator that confuses classes is so within each; learning them is no collapse."""
    limits = guard(spread_ratio=0.5)
    assert judge([reading(10, diversity=4.0), reading(20, diversity=0.6)], limits).state == HEALTHY
    assert judge([reading(10, diversity=4.0), reading(20, diversity=0.4)], limits).state == SUSPECT


def test_samples_are_compared_with_the_best_reading_not_with_the_best_of_each_sign() -> None:
    """Young samples are diverse as noise is, and do not flicker; that is no merit either."""
    noise = reading(10, FVD=300.0, diversity=1.0, static=0.0)
    learnt = reading(20, FVD=90.0, diversity=0.6, static=0.3)
    limits = guard(spread_ratio=0.5, defect_rise=0.3)
    now = {"diversity": 0.4, "static": 0.5}
    assert judge([noise, learnt, reading(30, **now)], limits).state == HEALTHY
    assert judge([noise, reading(30, **now)], limits).state == SUSPECT
