"""The kernel distance against plain loops over pairs, exact fractions, and its own expectation."""

from fractions import Fraction
from itertools import product

import pytest
import torch

from dvdgan.evaluation import kernel_distance as module
from dvdgan.evaluation.confidence import half_sampling
from dvdgan.evaluation.kernel_distance import (
    kernel_distance,
    kernel_distance_interval,
)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def by_fractions(x, y):
    """Gretton et al. 2012, equation 3, in rational arithmetic."""
    x, y = ([[Fraction(v) for v in row] for row in rows.tolist()] for rows in (x, y))

    def mean(left, right, same):
        pairs = [
            (sum(a * b for a, b in zip(p, q, strict=True)) / len(p) + 1) ** 3
            for (i, p), (j, q) in product(enumerate(left), enumerate(right))
            if not (same and i == j)
        ]
        return sum(pairs) / len(pairs)

    return float(mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False))


@pytest.mark.parametrize("block", [1, 20, 10_000])
def test_it_is_the_exact_one_for_blocks_of_any_size(block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    x, y = normal(7, 4), normal(9, 4, seed=1) * 2 + 0.5
    assert kernel_distance(x, y) == pytest.approx(by_fractions(x, y), rel=1e-12)


def test_a_set_against_itself_is_below_zero_and_is_not_clipped():
    x = normal(8, 3)
    assert kernel_distance(x, x) == pytest.approx(by_fractions(x, x), rel=1e-12)
    assert kernel_distance(x, x) < 0


def test_it_is_unbiased_where_a_frechet_distance_is_not():
    """Small samples give the value of large ones on average, and 0 for one distribution."""
    values = torch.tensor(
        [
            [kernel_distance(normal(10, 3, seed=2 * i), shift + normal(10, 3, seed=2 * i + 1))]
            for shift in (0, 1)
            for i in range(300)
        ]
    ).view(2, 300)
    error = values.std(1) / 300**0.5
    large = kernel_distance(normal(2000, 3, seed=9001), 1 + normal(2000, 3, seed=9002))
    assert abs(values[0].mean()) < 4 * error[0]
    assert abs(values[1].mean() - large) < 4 * error[1] + 0.05 * large


def test_the_interval_is_that_of_half_sampling():
    x, y = normal(40, 3), normal(41, 3, seed=1) + 0.3
    found = kernel_distance_interval(x, y, splits=400, seed=3)
    again = half_sampling(lambda *sets: {"": kernel_distance(*sets)}, x, y, splits=400)[""]
    assert found.value == kernel_distance(x, y)
    # Other halves, of the same number.
    assert found.error == pytest.approx(again.error, rel=0.15)
    assert found == kernel_distance_interval(x, y, splits=400, seed=3)
