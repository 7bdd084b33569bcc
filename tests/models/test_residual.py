"""Pooling of the discriminators' blocks against loops, and what the blocks keep apart."""

import numpy as np
import pytest
import torch
from plain_numpy import array

from dvdgan.models.residual import DiscriminatorBlock, GeneratorBlock, halve_all, halve_space
from dvdgan.models.spectral import bake


@pytest.mark.parametrize("frames", [1, 2, 5, 6, 7])
def test_halving_in_three_dimensions_loses_no_step(frames: int) -> None:
    x = torch.randn(2, 3, frames, 4, 6)
    plain, got = array(x), array(halve_all(x))
    assert got.shape == (2, 3, (frames + 1) // 2, 2, 3)
    for t, i, j in np.ndindex(got.shape[2:]):
        cell = plain[:, :, 2 * t : 2 * t + 2, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        np.testing.assert_allclose(got[:, :, t, i, j], cell.mean(axis=(2, 3, 4)), atol=1e-6)


def test_halving_in_two_dimensions() -> None:
    x = torch.randn(2, 3, 4, 6)
    expected = array(x).reshape(2, 3, 2, 2, 3, 2).mean(axis=(3, 5))
    np.testing.assert_allclose(array(halve_space(x)), expected, atol=1e-6)


def test_a_generator_block_treats_every_frame_alone() -> None:
    block = GeneratorBlock(4, 2, frames=3, condition=5, upsample=True).eval()
    x, condition = torch.randn(2, 3, 4, 4, 4), torch.randn(2, 5)
    before = block(x, condition)
    assert before.shape == (2, 3, 2, 8, 8)
    moved = x.clone()
    moved[1, 2] += 1
    same = torch.ones(2, 3, dtype=torch.bool)
    same[1, 2] = False
    after = block(moved, condition)
    assert torch.equal(after[same], before[same])
    assert not torch.equal(after[1, 2], before[1, 2])


def test_the_first_block_sees_negative_pixels_and_a_later_one_does_not() -> None:
    video = -0.1 - torch.rand(2, 4, 8, 8)
    blind = DiscriminatorBlock(4, 4, dimensions=2, first=False, downsample=True).eval()
    seeing = DiscriminatorBlock(4, 4, dimensions=2, first=True, downsample=True).eval()
    for block in (blind, seeing):
        bake(block)
        torch.nn.init.zeros_(block.shortcut.weight)
    torch.testing.assert_close(blind(video), blind(2 * video))
    assert not torch.allclose(seeing(video), seeing(2 * video))
