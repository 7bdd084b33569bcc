"""Latents by number: a video's z does not depend on the batch it is made in."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from dvdgan.models.latent import derive_seed, interpolated, numbered_latents


def test_a_video_keeps_its_latent_in_any_batch() -> None:
    together = numbered_latents(seed=5, first=0, count=7, dim=10)
    for number in range(7):
        assert torch.equal(numbered_latents(5, number, 1, 10)[0], together[number])
    assert not torch.equal(numbered_latents(6, 0, 7, 10), together)


def test_latents_are_standard_normal_and_unrelated() -> None:
    latents = numbered_latents(seed=1, first=0, count=400, dim=20).numpy()
    assert kstest(latents.ravel(), "norm").pvalue > 0.01
    correlations = np.corrcoef(latents[:50])[~np.eye(50, dtype=bool)]
    assert abs(correlations).max() < 0.85


def test_seeds_depend_on_every_part_and_their_order() -> None:
    parts = [(0,), (1,), (0, 1), (1, 0), (0, "a"), ("a", 0), (0, 1, 0)]
    seeds = [derive_seed(*each) for each in parts]
    assert len(set(seeds)) == len(parts)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(0, 1) == derive_seed(0, 1)


@pytest.mark.parametrize("steps", [2, 3, 8, 9])
def test_an_interpolation_is_evenly_spaced_from_end_to_end(steps: int) -> None:
    first, last = torch.randn(2, 10)
    line = interpolated(first, last, steps)
    assert line.shape == (steps, 10)
    assert torch.equal(line[0], first)
    assert torch.equal(line[-1], last)
    for number, got in enumerate(line):
        share = number / (steps - 1)
        expected = (1 - share) * array64(first) + share * array64(last)
        np.testing.assert_allclose(array64(got), expected, atol=1e-6)


def array64(vector: torch.Tensor) -> np.ndarray:
    return vector.numpy().astype(np.float64)
