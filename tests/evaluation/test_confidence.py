"""Intervals have their nominal coverage, where the bootstrap does not."""

import pytest
import torch
from scipy import stats

from dvdgan.evaluation.confidence import Interval, clips_needed, half_sampling, interval, proportion
from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.moments import Moments


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def mean_of(rows):
    return {"mean": float(rows.mean())}


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("freedom", [10, 50, 1000])
def test_the_quantile_is_students(freedom, level):
    found = interval(3.0, 0.5, freedom, level)
    reach = stats.t.ppf((1 + level) / 2, freedom) * 0.5
    assert found.high - 3 == pytest.approx(reach, rel=5e-3)
    assert 3 - found.low == pytest.approx(found.high - 3, rel=1e-12)


def test_the_error_of_a_mean_is_the_known_one():
    rows = normal(400)
    found = half_sampling(mean_of, rows, splits=500)["mean"]
    assert found.value == float(rows.mean())
    assert found.error == pytest.approx(float(rows.std()) / 20, rel=0.1)


def test_the_errors_of_two_sets_add_and_a_fixed_set_has_none():
    one, other = normal(300), normal(300, seed=1) * 2

    def gap(x, y):
        return {"gap": float(x.mean() - y.mean())}

    both = half_sampling(gap, one, other, splits=500)["gap"]
    alone = half_sampling(lambda x: gap(x, other), one, splits=500)["gap"]
    assert both.error == pytest.approx(float(one.var() / 300 + other.var() / 300) ** 0.5, rel=0.1)
    assert alone.error == pytest.approx(float(one.var() / 300) ** 0.5, rel=0.1)


def test_clips_of_several_tensors_stay_together_by_their_places():
    """The difference of a value with itself varies nowhere."""
    one = normal(50)
    other = one.clone()
    found = half_sampling(lambda i: {"": float((one[i] - other[i]).mean())}, torch.arange(50))[""]
    assert (found.value, found.error) == (0, 0)


def test_the_seed_decides_the_halves():
    rows = normal(30)
    assert half_sampling(mean_of, rows, seed=1) == half_sampling(mean_of, rows, seed=1)
    assert half_sampling(mean_of, rows, seed=1) != half_sampling(mean_of, rows, seed=2)


def test_a_frechet_distances_interval_holds_its_mean_at_this_number_of_clips():
    """benchmarks/interval_coverage.py measures this for all values, and more precisely."""
    real = Moments.of(normal(200, 4) * 1.5)

    def distance(x):
        return {"": frechet_distance(Moments.of(x), real)}

    expected = sum(distance(normal(100, 4, seed=i))[""] for i in range(1000, 1500)) / 500
    intervals = [half_sampling(distance, normal(100, 4, seed=i), splits=12)[""] for i in range(100)]
    covered = sum(each.low <= expected <= each.high for each in intervals)
    # 95 of 100, less three standard deviations.
    assert covered >= 88


def test_drawing_with_replacement_raises_a_frechet_distance_and_halves_do_not_need_it():
    real = Moments.of(normal(500, 30, seed=1))
    rows = normal(100, 30)
    value = frechet_distance(Moments.of(rows), real)
    draws = [
        frechet_distance(
            Moments.of(
                rows[torch.randint(100, (100,), generator=torch.Generator().manual_seed(i))]
            ),
            real,
        )
        for i in range(100)
    ]
    # All of the percentile interval lies above the value.
    assert min(draws) > value


@pytest.mark.parametrize(("right", "count"), [(0, 10), (3, 10), (10, 10), (970, 1000)])
def test_shares_have_wilsons_interval(right, count):
    expected = stats.binomtest(right, count).proportion_ci(method="wilson")
    found = proportion(right, count)
    assert found.value == right / count
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_clips_needed_follow_the_square_root_law():
    measured = Interval(value=100.0, error=2.0, low=96.0, high=104.0)
    assert clips_needed(measured, 1000) == 16_000
    assert clips_needed(measured, 1000, share=0.08) == 1000
    needed = clips_needed(half_sampling(lambda x: {"": 1 + float(x.mean())}, normal(500))[""], 500)
    later = half_sampling(lambda x: {"": 1 + float(x.mean())}, normal(needed, seed=2))[""]
    assert (later.high - later.low) / later.value == pytest.approx(0.02, rel=0.4)
