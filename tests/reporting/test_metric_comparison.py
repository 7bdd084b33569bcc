"""Metrics of two runs: better, worse, within noise, not comparable."""

from typing import Any

import pytest

from dvdgan.reporting.metric_comparison import compare_metrics
from dvdgan.review.metrics import read_generated


def result(value: float, reach: float | None = 0.1, **protocol: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"value": value, "protocol": {"clips": 256, **protocol}}
    return found if reach is None else found | {"interval": [value - reach, value + reach]}


def verdict(name: str, old: dict[str, Any], new: dict[str, Any]) -> str:
    [found] = compare_metrics({name: old}, {name: new})
    assert (found.metric, found.before, found.now) == (name, old["value"], new["value"])
    return found.verdict


@pytest.mark.parametrize(
    ("name", "when_lower"),
    [
        *(("FVD", "better"), ("FID", "better"), ("KVD", "better"), ("FVD_frames", "better")),
        *(("IS", "worse"), ("accuracy", "worse"), ("recall", "worse"), ("IS_infinity", "worse")),
    ],
)
def test_a_change_beyond_noise_has_a_direction(name: str, when_lower: str) -> None:
    when_higher = {"better": "worse", "worse": "better"}[when_lower]
    assert verdict(name, result(2), result(1)) == when_lower
    assert verdict(name, result(1), result(2)) == when_higher


def test_noise_is_the_interval_of_the_difference() -> None:
    """Of two independent normal values: half widths 0.3 and 0.4 give 0.5."""
    assert verdict("FVD", result(1, 0.3), result(1.49, 0.4)) == "within noise"
    assert verdict("FVD", result(1, 0.3), result(1.51, 0.4)) == "worse"
    assert verdict("FVD", result(1), result(1)) == "equal"
    assert verdict("FVD", result(1), result(2, None)) == "no interval"


def test_other_settings_of_the_measurement_do_not_compare() -> None:
    old = {"FVD": result(1, preprocessing={"stride": 1}, seed=0, weights="0123456789abcdef" * 4)}
    new = {"FVD": result(2, preprocessing={"stride": 2}, seed=1, weights="fedcba9876543210" * 4)}
    [found] = compare_metrics(old, new)
    assert found.verdict == "not comparable"
    assert found.differences == [
        "preprocessing.stride: 1 and 2",
        "weights: 01234567 and fedcba98",
    ]
    del old["FVD"]["protocol"]["weights"], old["FVD"]["protocol"]["preprocessing"]
    assert compare_metrics(old, new)[0].verdict == "not comparable"


def test_other_samples_of_one_generator_compare() -> None:
    assert verdict("FVD", result(1, seed=0), result(2, seed=1)) == "worse"


def test_a_metric_that_one_side_lacks() -> None:
    found = {each.metric: each for each in compare_metrics({"FVD": result(1)}, {"FID": result(2)})}
    assert (found["FID"].before, found["FID"].now) == (None, 2)
    assert (found["FVD"].before, found["FVD"].now) == (1, None)
    assert {each.verdict for each in found.values()} == {"not comparable"}


def test_files_without_protocols_are_no_results() -> None:
    assert read_generated(b'{"FVD": 1.0}') is None
    assert read_generated(b'{"generated": {"FVD[a,256,5e6f7a8b]": {}}}') == {"FVD": {}}
