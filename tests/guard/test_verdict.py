"""When a checkpoint is healthy, suspect or collapsed: a table of cases."""

import pytest

from dvdgan.config.schema import Guard
from dvdgan.guard.verdict import COLLAPSED, HEALTHY, SUSPECT, judge

GUARD = Guard(samples=32, worse_ratio=2.0, patience=2, max_rollbacks=1, learning_rate_scale=0.5)


def history(*figures: tuple[float, str]) -> list[dict]:
    return [
        {"step": 10 * number, "metrics": {"FVD": fvd}, "verdict": verdict}
        for number, (fvd, verdict) in enumerate(figures, start=1)
    ]


@pytest.mark.parametrize(
    ("past", "fvd", "expected"),
    [
        ([], 900.0, HEALTHY),  # nothing to compare with
        ([(100.0, HEALTHY)], 200.0, HEALTHY),  # exactly the ratio
        ([(100.0, HEALTHY)], 201.0, SUSPECT),
        ([(100.0, HEALTHY), (300.0, SUSPECT)], 201.0, COLLAPSED),
        ([(100.0, HEALTHY), (300.0, SUSPECT)], 150.0, HEALTHY),  # recovered
        ([(100.0, HEALTHY), (300.0, SUSPECT), (150.0, HEALTHY)], 300.0, SUSPECT),  # not in a row
        ([(150.0, HEALTHY), (100.0, HEALTHY)], 210.0, SUSPECT),  # the best, not the last
        ([(100.0, HEALTHY), (150.0, HEALTHY)], 210.0, SUSPECT),
    ],
)
def test_the_ratio_to_the_best_decides(past: list, fvd: float, expected: str) -> None:
    metrics = {"FID": 1.0, "FVD": fvd, "IS": 2.0}
    verdict = judge(history(*past), metrics, 99, GUARD)
    assert verdict.state == expected
    assert bool(verdict.reasons) == (expected != HEALTHY)


@pytest.mark.parametrize("name", ["FID", "FVD", "IS"])
def test_a_number_that_is_not_finite_is_a_collapse_at_once(name: str) -> None:
    verdict = judge([], {"FID": 1.0, "FVD": 1.0, "IS": 1.0} | {name: None}, 40, GUARD)
    assert verdict.state == COLLAPSED
    assert verdict.reasons == [f"{name} not finite at step 40"]


def test_patience_counts_checkpoints() -> None:
    patient = GUARD.model_copy(update={"patience": 3})
    metrics = {"FID": 1.0, "FVD": 500.0, "IS": 1.0}
    two = history((100.0, HEALTHY), (300.0, SUSPECT))
    three = history((100.0, HEALTHY), (300.0, SUSPECT), (400.0, SUSPECT))
    assert judge(two, metrics, 30, patient).state == SUSPECT
    verdict = judge(three, metrics, 40, patient)
    assert verdict.state == COLLAPSED
    assert verdict.reasons == [
        "FVD 500 at step 40 is more than 2 times the best, 100, as at 3 checkpoints in a row"
    ]


def test_patience_of_one_needs_no_second_look() -> None:
    strict = GUARD.model_copy(update={"patience": 1})
    verdict = judge(history((1.0, HEALTHY)), {"FID": 1.0, "FVD": 9.0, "IS": 1.0}, 20, strict)
    assert verdict.state == COLLAPSED
