"""Latents by number: a video's z does not depend on the batch it is made in."""

import numpy as np
import torch
from scipy.stats import kstest

from dvdgan.models.latent import mixed_seed, numbered_latents


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
    seeds = [mixed_seed(*each) for each in parts]
    assert len(set(seeds)) == len(parts)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert mixed_seed(0, 1) == mixed_seed(0, 1)
