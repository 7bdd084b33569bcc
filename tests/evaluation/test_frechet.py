"""The Frechet distance against closed forms, 50-digit arithmetic and scipy's matrix square root."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.moments import Moments

WORST = 1e-8


def gaussian(mean, covariance):
    """Moments with exactly this mean and covariance, as of 1025 vectors."""
    as_tensor = torch.as_tensor(np.asarray(covariance, dtype=np.float64))
    return Moments(1025, torch.as_tensor(np.asarray(mean, dtype=np.float64)), as_tensor * 1024)


def assert_close(one, other, expected):
    """Within WORST of the scale, either way round, never negative."""
    gap = one.mean - other.mean
    scale = float(gap @ gap + one.covariance.trace() + other.covariance.trace())
    for found in (frechet_distance(one, other), frechet_distance(other, one)):
        assert isinstance(found, float) and found >= 0
        assert abs(found - expected) <= WORST * scale


def rotation(size, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


SPECTRA = {
    "white": np.ones(60),
    "1/k": 1 / np.arange(1.0, 61),
    "1/k^4": np.arange(1.0, 61) ** -4,
    "condition 1e6": np.logspace(0, -6, 60),
    "condition 1e15": np.logspace(0, -15, 60),
    "half dead": np.r_[np.ones(30), np.zeros(30)],
    "zero": np.zeros(60),
    "rank one": np.r_[1.0, np.zeros(59)],
}


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("other", SPECTRA)
@pytest.mark.parametrize("one", SPECTRA)
def test_diagonal_covariances_have_a_closed_form(one, other, scale):
    first, second = SPECTRA[one] * scale, SPECTRA[other][::-1] * scale
    gap = np.linspace(-1, 1, 60) * scale**0.5
    expected = (gap**2).sum() + ((np.sqrt(first) - np.sqrt(second)) ** 2).sum()
    assert_close(gaussian(gap, np.diag(first)), gaussian(0 * gap, np.diag(second)), expected)


@pytest.mark.parametrize("other", SPECTRA)
@pytest.mark.parametrize("one", SPECTRA)
def test_rotated_covariances_with_the_same_axes_have_the_same_distance(one, other):
    axes, zero = rotation(60), np.zeros(60)
    first, second = SPECTRA[one], SPECTRA[other]
    expected = ((np.sqrt(first) - np.sqrt(second)) ** 2).sum()
    assert_close(
        gaussian(zero, axes * first @ axes.T), gaussian(zero, axes * second @ axes.T), expected
    )


@pytest.mark.parametrize("count", [20, 64, 65, 300])
@pytest.mark.parametrize("rows", [True, False])
def test_vectors_moved_by_a_symmetric_map_have_a_closed_form(count, rows):
    """For S2 = T S1 T the root's trace is tr(T S1), whether or not T and S1 commute."""
    rng = np.random.default_rng(1)
    features = torch.as_tensor(rng.normal(size=(count, 64)) / np.arange(1, 65) ** 0.5)
    turned = rotation(64, 2)
    moved = features @ torch.as_tensor(turned * np.linspace(0.5, 2, 64) @ turned.T)
    one, other = Moments.of(features), Moments.of(moved)
    centred, other_centred = features - features.mean(0), moved - moved.mean(0)
    gap = one.mean - other.mean
    traces = centred.square().sum() + other_centred.square().sum()
    expected = gap @ gap + (traces - 2 * (centred * other_centred).sum()) / (count - 1)
    if not rows:
        one, other = replace(one, rows=None), replace(other, rows=None)
    assert_close(one, other, float(expected))
    # Vectors on one side alone, as when few clips are compared with many.
    assert_close(one, replace(other, rows=None), float(expected))


@pytest.mark.parametrize("shared", [0, 3])
def test_singular_covariances_match_50_digits(shared):
    """Rank 7 and 5 in 12 dimensions, with ``shared`` common directions."""
    rng = np.random.default_rng(4)
    left = rng.normal(size=(7, 12))
    right = np.vstack(
        [left[:shared] + 1e-6 * rng.normal(size=(shared, 12)), rng.normal(size=(5, 12))]
    )
    one, other = gaussian(np.zeros(12), left.T @ left), gaussian(np.zeros(12), right.T @ right)
    with mpmath.workdps(50):
        # The singular values of F1 F2^T, from factors that are exact in binary.
        cross = mpmath.matrix(left.tolist()) * mpmath.matrix(right.tolist()).T
        root_trace = sum(mpmath.svd_r(cross, compute_uv=False))
        expected = float(sum(left.ravel() ** 2) + sum(right.ravel() ** 2) - 2 * root_trace)
    assert_close(one, other, expected)


def test_rank_one_covariances_have_a_closed_form():
    """tr (uu^T vv^T)^(1/2) = |u.v|, where a root of the product loses half of the digits."""
    u, v = np.random.default_rng(0).normal(size=(2, 40))
    zero = np.zeros(40)
    expected = u @ u + v @ v - 2 * abs(u @ v)
    assert_close(gaussian(zero, np.outer(u, u)), gaussian(zero, np.outer(v, v)), expected)


def test_means_far_from_zero_leave_the_distance_of_the_covariances():
    one, other = np.linspace(1, 4, 30), np.linspace(9, 1, 30)
    expected = ((np.sqrt(one) - np.sqrt(other)) ** 2).sum()
    far = np.full(30, 3e8)
    found = frechet_distance(gaussian(far, np.diag(one)), gaussian(far, np.diag(other)))
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("count", [20, 400])
def test_identical_sets_have_no_distance_even_when_singular(count):
    moments = Moments.of(torch.randn(count, 64, generator=torch.Generator().manual_seed(0)))
    for each in (moments, replace(moments, rows=None)):
        assert 0 <= frechet_distance(each, each) < 1e-10


@pytest.mark.parametrize("count", [20, 400])
def test_constant_and_repeated_features_are_allowed(count):
    """Dead units of a network: the covariance is singular with any number of vectors."""
    generator = torch.Generator().manual_seed(6)
    one, other = torch.randn(2, count, 30, generator=generator, dtype=torch.float64)
    one, other = one.relu(), other.relu() * 2
    expected = frechet_distance(Moments.of(one), Moments.of(other))
    dead = torch.full((count, 5), 0.1, dtype=torch.float64)
    wider = [Moments.of(torch.cat([each, dead], dim=1)) for each in (one, other)]
    assert frechet_distance(*wider) == pytest.approx(expected, rel=1e-7)
    # A feature given twice is one that is sqrt(2) as large.
    twice = [Moments.of(torch.cat([each, each], dim=1)) for each in (one, other)]
    assert frechet_distance(*twice) == pytest.approx(2 * expected, rel=1e-7)


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
