"""Latents nearer to the mean: the paper's narrower Gaussian, and BigGAN's resampled normal."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm, truncnorm

from dvdgan.models.latent import Truncation, numbered_latents

both = pytest.mark.parametrize("kind", ["gaussian", "resampled"])


def latents(truncation: Truncation, count: int = 400) -> np.ndarray:
    return numbered_latents(seed=1, first=0, count=count, dim=20, truncation=truncation).numpy()


@pytest.mark.parametrize("level", [0.1, 0.44, 1.0, 2.0])
def test_gaussian_scales_the_deviation(level: float) -> None:
    z = latents(Truncation(level))
    assert kstest(z.ravel(), norm(scale=level).cdf).pvalue > 0.01
    assert z.std() == pytest.approx(level, rel=0.03)
    assert abs(z).max() > 2 * level  # narrower, not cut


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0, 2.0])
def test_resampled_is_the_truncated_normal(level: float) -> None:
    z = latents(Truncation(level, "resampled"))
    assert abs(z).max() <= level
    assert kstest(z.ravel(), truncnorm(-level, level).cdf).pvalue > 0.01


@both
def test_a_video_keeps_its_latent_in_any_batch(kind: str) -> None:
    truncation = Truncation(0.5, kind)
    together = latents(truncation, count=7)
    for number in range(7):
        alone = numbered_latents(1, number, 1, 20, truncation)[0]
        assert np.array_equal(alone, together[number])


def test_both_start_from_the_untruncated_latent() -> None:
    """So that a curve over the level follows the same videos."""
    free = numbered_latents(1, 0, 30, 20)
    narrow = torch.from_numpy(latents(Truncation(0.44), count=30))
    torch.testing.assert_close(narrow, 0.44 * free)
    cut = torch.from_numpy(latents(Truncation(1.5, "resampled"), count=30))
    inside = free.abs() <= 1.5
    assert torch.equal(cut[inside], free[inside])
    assert (cut[~inside] != free[~inside]).all()


@both
@pytest.mark.parametrize("level", [0.0, -0.5, float("nan")])
def test_a_level_that_is_not_above_zero_is_refused(kind: str, level: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        Truncation(level, kind)
