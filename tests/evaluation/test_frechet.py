"""The Frechet distance against closed forms and scipy's matrix square root."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.moments import Moments


def gaussian(mean, covariance):
    """Moments with exactly this mean and covariance, as of 11 vectors."""
    as_tensor = torch.as_tensor(np.asarray(covariance, dtype=np.float64))
    return Moments(11, torch.as_tensor(np.asarray(mean, dtype=np.float64)), as_tensor * 10)


def test_diagonal_covariances_have_a_closed_form():
    one, other = np.array([4.0, 9.0, 0.25]), np.array([1.0, 16.0, 0.0])
    gap = np.array([1.0, -2.0, 0.5])
    expected = (gap**2).sum() + ((np.sqrt(one) - np.sqrt(other)) ** 2).sum()
    found = frechet_distance(gaussian(gap, np.diag(one)), gaussian(np.zeros(3), np.diag(other)))
    assert found == pytest.approx(expected, rel=1e-12)


def test_rank_one_covariances_have_a_closed_form():
    """tr (uu^T vv^T)^(1/2) = |u.v|, where a root of the product loses half of the digits."""
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(2, 40))
    zero = np.zeros(40)
    expected = u @ u + v @ v - 2 * abs(u @ v)
    found = frechet_distance(gaussian(zero, np.outer(u, u)), gaussian(zero, np.outer(v, v)))
    assert found == pytest.approx(expected, rel=1e-7)


def test_zero_covariances_leave_the_distance_of_the_means():
    found = frechet_distance(
        gaussian([3.0, 4.0], np.zeros((2, 2))), gaussian([0.0, 0.0], np.zeros((2, 2)))
    )
    assert found == pytest.approx(25.0, rel=1e-14)


@pytest.mark.parametrize("count", [20, 400])
def test_identical_sets_have_no_distance_even_when_singular(count):
    moments = Moments.of(torch.randn(count, 64, generator=torch.Generator().manual_seed(0)))
    assert 0 <= frechet_distance(moments, moments) < 1e-10


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_it_is_scipys_on_well_conditioned_cases(scale):
    rng = np.random.default_rng(3)
    one, other = (factor @ factor.T + np.eye(12) for factor in rng.normal(size=(2, 12, 12)))
    gap = rng.normal(size=12)
    expected = gap @ gap + np.trace(one + other - 2 * sqrtm(one @ other).real)
    found = frechet_distance(
        gaussian(gap * scale**0.5, one * scale), gaussian(np.zeros(12), other * scale)
    )
    assert found == pytest.approx(expected * scale, rel=1e-9)


def test_order_does_not_matter():
    generator = torch.Generator().manual_seed(5)
    one = Moments.of(torch.randn(30, 8, generator=generator))
    other = Moments.of(torch.randn(50, 8, generator=generator) * 2 + 1)
    assert frechet_distance(one, other) == pytest.approx(frechet_distance(other, one), rel=1e-12)
