"""The frames D_S gets and the small video D_T gets (paper 3.1)."""

import numpy as np
import torch
from plain_numpy import array
from scipy.stats import chisquare

from dvdgan.models.views import draw_frames, pool_space, take_frames


def draws(clips: int, frames: int, k: int) -> torch.Tensor:
    return draw_frames(clips, frames, k, torch.Generator().manual_seed(3))


def test_no_frame_is_drawn_twice() -> None:
    indices = draws(500, 12, 8)
    assert indices.shape == (500, 8)
    assert all(len(set(row)) == 8 for row in indices.tolist())
    assert indices.min() == 0
    assert indices.max() == 11


def test_every_pair_of_frames_is_as_likely_as_any_other() -> None:
    pairs = draws(9000, 6, 2)
    counts = np.bincount((6 * pairs[:, 0] + pairs[:, 1]).numpy(), minlength=36).reshape(6, 6)
    assert (np.diag(counts) == 0).all()
    assert chisquare(counts[~np.eye(6, dtype=bool)]).pvalue > 0.01


def test_k_equal_to_t_gives_every_frame() -> None:
    assert (draws(50, 7, 7).sort(dim=1).values == torch.arange(7)).all()


def test_each_clip_gets_its_own_frames() -> None:
    video = torch.randn(4, 6, 3, 2, 2)
    indices = draws(4, 6, 3)
    taken = take_frames(video, indices)
    for clip, position in np.ndindex(4, 3):
        assert torch.equal(taken[clip, position], video[clip, indices[clip, position]])


def test_phi_is_the_mean_of_two_by_two_pixels() -> None:
    video = torch.randn(2, 5, 3, 8, 6)
    expected = array(video).reshape(2, 5, 3, 4, 2, 3, 2).mean(axis=(4, 6))
    np.testing.assert_allclose(array(pool_space(video)), expected, atol=1e-6)
