"""What D_S and D_T get to see: k different frames, and phi of the whole clip (paper 3.1, 4.3)."""

from typing import get_args

import numpy as np
import pytest
import torch
from plain_numpy import array
from scipy.stats import chisquare

from dvdgan.models.architecture import Phi
from dvdgan.models.views import PHI, Views, draw_views, take_frames


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(clips: int, frames: int, k: int) -> torch.Tensor:
    return draw_views(clips, frames, k, seeded()).frames


@pytest.mark.parametrize("k", [1, 2, 8, 10])
def test_frames_are_different_and_equally_likely_at_every_place(k: int) -> None:
    indices = drawn(6000, 12, k)
    assert indices.shape == (6000, k)
    assert indices.dtype == torch.int64
    assert all(len(set(row)) == k for row in indices.tolist())
    for place in range(k):
        counts = np.bincount(indices[:, place].numpy(), minlength=12)
        assert len(counts) == 12
        assert chisquare(counts).pvalue > 1e-3


def test_every_pair_of_frames_is_as_likely_as_any_other() -> None:
    pairs = drawn(9000, 6, 2)
    counts = np.bincount((6 * pairs[:, 0] + pairs[:, 1]).numpy(), minlength=36).reshape(6, 6)
    assert (np.diag(counts) == 0).all()
    assert chisquare(counts[~np.eye(6, dtype=bool)]).pvalue > 0.01


def test_clips_are_drawn_for_by_themselves() -> None:
    """The first clip's frame reveals nothing about the second's."""
    both = torch.stack([draw_views(2, 4, 1, seeded(seed)).frames[:, 0] for seed in range(3000)])
    counts = np.bincount((4 * both[:, 0] + both[:, 1]).numpy(), minlength=16)
    assert chisquare(counts).pvalue > 0.01


def test_k_equal_to_t_gives_every_frame() -> None:
    assert (drawn(50, 7, 7).sort(dim=1).values == torch.arange(7)).all()


@pytest.mark.parametrize("k", [0, -1, 13])
def test_more_frames_than_there_are_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match=f"{k} different frames of a clip of 12"):
        draw_views(2, 12, k, seeded())


def test_each_clip_gets_its_own_frames() -> None:
    video = torch.randn(4, 6, 3, 2, 2)
    indices = drawn(4, 6, 3)
    taken = take_frames(video, indices)
    for clip, position in np.ndindex(4, 3):
        assert torch.equal(taken[clip, position], video[clip, indices[clip, position]])


def test_views_can_be_taken_apart_and_put_together() -> None:
    views = draw_views(5, 6, 2, seeded())
    joined = Views.join(views.rows(slice(0, 2)), views.rows(slice(2, 5)))
    assert torch.equal(joined.frames, views.frames)
    assert torch.equal(joined.corners, views.corners)


def test_every_phi_is_tested() -> None:
    assert set(PHI) == set(get_args(Phi))


@pytest.mark.parametrize(("phi", "size"), [("average_pool_2x2", 2), ("average_pool_4x4", 4)])
def test_pooling_is_the_mean_of_square_cells(phi: Phi, size: int) -> None:
    video = torch.randn(2, 5, 3, 8, 12)
    got = array(PHI[phi](video, torch.rand(2, 2)))
    assert got.shape == (2, 5, 3, 8 // size, 12 // size)
    plain = array(video)
    for i, j in np.ndindex(got.shape[3:]):
        rows = slice(size * i, size * (i + 1))
        columns = slice(size * j, size * (j + 1))
        expected = plain[..., rows, columns].mean(axis=(3, 4))
        np.testing.assert_allclose(got[..., i, j], expected, atol=1e-6)


def test_identity_sees_the_clip() -> None:
    video = torch.randn(2, 5, 3, 8, 8)
    assert torch.equal(PHI["identity"](video, torch.rand(2, 2)), video)


def addressed(clips: int, frames: int, height: int, width: int) -> torch.Tensor:
    """A video whose channels are the row, the column and the number of its clip and frame."""
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    numbers = torch.arange(clips * frames).view(clips, frames, 1, 1)
    parts = [each.expand(clips, frames, height, width) for each in (rows, columns, numbers)]
    return torch.stack(parts, dim=2)


def test_a_crop_is_one_window_for_all_frames_of_its_clip() -> None:
    clips, frames, height, width = 40, 3, 8, 12
    views = draw_views(clips, frames, 1, seeded())
    crops = PHI["random_half_crop"](addressed(clips, frames, height, width), views.corners)
    assert crops.shape == (clips, frames, 3, 4, 6)
    corners = crops[:, 0, :2, 0, 0]
    for clip, frame in np.ndindex(clips, frames):
        top, left = corners[clip].tolist()
        rows, columns, numbers = crops[clip, frame]
        assert (rows == torch.arange(top, top + 4)[:, None]).all()
        assert (columns == torch.arange(left, left + 6)).all()
        assert (numbers == clip * frames + frame).all()
    assert len({tuple(corner) for corner in corners.tolist()}) > 20


def test_every_place_of_a_crop_is_as_likely_as_any_other() -> None:
    views = draw_views(6000, 2, 1, seeded())
    crops = PHI["random_half_crop"](addressed(6000, 2, 8, 12), views.corners)
    tops, lefts = crops[:, 0, 0, 0, 0], crops[:, 0, 1, 0, 0]
    counts = np.bincount((7 * tops + lefts).numpy(), minlength=35)
    assert len(counts) == 5 * 7  # of an 8 x 12 video, 4 x 6 fits in 5 x 7 places
    assert chisquare(counts).pvalue > 0.01


@pytest.mark.parametrize("size", [32, 64, 128, 256])
def test_a_crop_stays_inside_at_both_ends(size: int) -> None:
    last = 1 - 2**-24  # the largest number that torch.rand gives
    corners = torch.tensor([[0.0, last], [last, 0.0]])
    crops = PHI["random_half_crop"](addressed(2, 1, size, size), corners)
    assert crops[:, 0, 0, 0, 0].tolist() == [0, size // 2]
    assert crops[:, 0, 1, 0, 0].tolist() == [size // 2, 0]
    assert crops[:, 0, :2, -1, -1].max() == size - 1
