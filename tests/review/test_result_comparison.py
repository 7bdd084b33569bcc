"""Metrics of two revisions: better, worse, within noise, not comparable."""

from typing import Any

import pytest

from dvdgan.review.metrics import compare_results, read_results


def result(value: float, reach: float | None = 0.1, **protocol: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"value": value, "protocol": {"clips": 256, **protocol}}
    return found if reach is None else found | {"interval": [value - reach, value + reach]}


def verdict(name: str, old: dict[str, Any], new: dict[str, Any]) -> str:
    before, now = {f"{name}[self_trained,256,a]": old}, {f"{name}[self_trained,256,b]": new}
    [found] = compare_results({"generated": before}, {"generated": now})
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
    old = {"generated": {"FVD": result(1, preprocessing={"stride": 1})}}
    new = {"generated": {"FVD": result(2, preprocessing={"stride": 2}, truncation="0.44")}}
    [found] = compare_results(old, new)
    assert found.verdict == "not comparable"
    assert found.differences == ["preprocessing.stride: 1 and 2", "truncation: None and 0.44"]


def test_a_metric_that_one_side_lacks() -> None:
    old = {"generated": {"FVD": result(1)}}
    new = {"generated": {"FID": result(2)}}
    found = {each.metric: each for each in compare_results(old, new)}
    assert (found["FID"].before, found["FID"].now) == (None, 2)
    assert (found["FVD"].before, found["FVD"].now) == (1, None)
    assert {each.verdict for each in found.values()} == {"not comparable"}


def test_files_without_protocols_are_no_results() -> None:
    assert read_results(b'{"FVD": 1.0}') is None
    assert read_results(b'{"generated": {}}') == {"generated": {}}
