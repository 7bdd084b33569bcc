"""The residual blocks against BigGAN's, in BigGAN's order of operations, written out in numpy.

The blocks here convolve their shortcuts at the smaller of two resolutions; the references do not.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from plain_numpy import Array, array, halved, relu, standardised, through, twice
from torch import nn

from dvdgan.models.conditional_norm import ConditionalNorm
from dvdgan.models.residual import (
    DeepDiscriminatorBlock,
    DeepGeneratorBlock,
    DiscriminatorBlock,
    GeneratorBlock,
    convolve_doubled,
    convolve_halved,
    double,
    halve_all,
    halve_space,
)
from dvdgan.models.spectral import bake

CLIPS, FRAMES, CONDITION = 2, 3, 5

with_and_without_upsampling = pytest.mark.parametrize("upsample", [False, True])
with_and_without_downsampling = pytest.mark.parametrize("downsample", [False, True])
in_two_and_three_dimensions = pytest.mark.parametrize(
    "shape", [(4, 6), (4, 4, 6), (5, 4, 6), (1, 4, 6)], ids=["2-D", "3-D", "odd T", "one step"]
)

per_step = partial(ConditionalNorm, "per_step_batch", FRAMES, condition=CONDITION)


def normalised(norm: ConditionalNorm, x: Array, condition: Array) -> Array:
    """relu(norm(x)) with batch statistics of every step. x: (B, T, C, H, W)."""
    gain = 1 + condition @ array(norm.scale.weight).T
    shift = condition @ array(norm.shift.weight).T
    plain = standardised("per_step_batch", x)
    return relu(gain[:, None, :, None, None] * plain + shift[:, None, :, None, None])


def per_frame(layer: nn.Module, x: Array) -> Array:
    """A convolution on every frame alone. x: (B, T, C, H, W)."""
    return np.stack([[through(layer, frame) for frame in clip] for clip in x])


def inputs(channels: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(CLIPS, FRAMES, channels, 4, 5) + 0.3, torch.randn(CLIPS, CONDITION)


@with_and_without_upsampling
@pytest.mark.parametrize(("into", "out"), [(6, 6), (6, 4), (4, 6)])
def test_a_generator_block_is_biggan_s(into: int, out: int, upsample: bool) -> None:
    block = GeneratorBlock(into, out, per_step, upsample).train()
    x, condition = inputs(into)
    got = array(block(x, condition))
    block.eval()  # from here on a weight is read without another power iteration
    plain, cond = array(x), array(condition)
    h = normalised(block.norm1, plain, cond)
    if upsample:
        h, plain = twice(h), twice(plain)
    h = per_frame(block.conv1, h)
    h = per_frame(block.conv2, normalised(block.norm2, h, cond))
    if into != out or upsample:
        plain = per_frame(block.shortcut, plain)
    np.testing.assert_allclose(got, h + plain, atol=5e-5)


@with_and_without_upsampling
@pytest.mark.parametrize(("into", "out"), [(8, 8), (8, 4), (4, 8)])
def test_a_deep_generator_block_is_biggan_deep_s(into: int, out: int, upsample: bool) -> None:
    block = DeepGeneratorBlock(into, out, per_step, upsample).train()
    x, condition = inputs(into)
    got = array(block(x, condition))
    block.eval()
    plain, cond = array(x), array(condition)
    h = per_frame(block.convs[0], normalised(block.norms[0], plain, cond))
    h = normalised(block.norms[1], h, cond)
    if out < into:
        plain = plain[:, :, :out]
    if upsample:
        h, plain = twice(h), twice(plain)
    h = per_frame(block.convs[1], h)
    h = per_frame(block.convs[2], normalised(block.norms[2], h, cond))
    h = per_frame(block.convs[3], normalised(block.norms[3], h, cond))
    if out > into:  # not in BigGAN-deep
        plain = per_frame(block.shortcut, plain)
    np.testing.assert_allclose(got, h + plain, atol=5e-5)
    kernels = [conv.weight.shape[1:] for conv in block.convs]
    assert kernels == [(into, 1, 1), (into // 4, 3, 3), (into // 4, 3, 3), (into // 4, 1, 1)]


@with_and_without_downsampling
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(("into", "out"), [(3, 3), (3, 5)])
@in_two_and_three_dimensions
def test_a_discriminator_block_is_biggan_s(
    into: int, out: int, first: bool, downsample: bool, shape: tuple[int, ...]
) -> None:
    dimensions = len(shape)
    block = DiscriminatorBlock(into, out, dimensions, first, downsample).eval()
    x = torch.randn(CLIPS, into, *shape)
    for clip, got in zip(array(x), array(block(x)), strict=True):
        h = clip if first else relu(clip)
        h = through(block.conv2, relu(through(block.conv1, h)))
        shortcut = clip
        learned = into != out or downsample
        if first:
            shortcut = halved(shortcut) if downsample else shortcut
            shortcut = through(block.shortcut, shortcut) if learned else shortcut
        else:
            shortcut = through(block.shortcut, shortcut) if learned else shortcut
            shortcut = halved(shortcut) if downsample else shortcut
        h = halved(h) if downsample else h
        np.testing.assert_allclose(got, h + shortcut, atol=2e-5)
    for conv in (block.conv1, block.conv2):
        assert conv.weight.shape[2:] == (3,) * dimensions


@with_and_without_downsampling
@pytest.mark.parametrize(("into", "out"), [(8, 8), (3, 8)])
@in_two_and_three_dimensions
def test_a_deep_discriminator_block_is_biggan_deep_s(
    into: int, out: int, downsample: bool, shape: tuple[int, ...]
) -> None:
    dimensions = len(shape)
    block = DeepDiscriminatorBlock(into, out, dimensions, downsample).eval()
    x = torch.randn(CLIPS, into, *shape)
    for clip, got in zip(array(x), array(block(x)), strict=True):
        h = through(block.conv1, relu(clip))
        h = through(block.conv2, relu(h))
        h = relu(through(block.conv3, relu(h)))
        h = through(block.conv4, halved(h) if downsample else h)
        shortcut = halved(clip) if downsample else clip
        if into != out:
            shortcut = np.concatenate([shortcut, through(block.shortcut, shortcut)])
        np.testing.assert_allclose(got, h + shortcut, atol=2e-5)
    convs = (block.conv1, block.conv2, block.conv3, block.conv4)
    sizes = [conv.weight.shape[2:] for conv in convs]
    assert sizes == [(kernel,) * dimensions for kernel in (1, 3, 3, 1)]
    assert [conv.weight.shape[0] for conv in convs] == [2, 2, 2, 8]


@pytest.mark.parametrize("frames", [1, 2, 5, 6, 7])
def test_halving_in_three_dimensions_loses_no_step(frames: int) -> None:
    x = torch.randn(2, 3, frames, 4, 6)
    got = array(halve_all(x))
    assert got.shape == (2, 3, (frames + 1) // 2, 2, 3)
    for clip, small in zip(array(x), got, strict=True):
        np.testing.assert_allclose(small, halved(clip), atol=1e-6)


def test_halving_in_two_dimensions() -> None:
    x = torch.randn(2, 3, 4, 6)
    expected = array(x).reshape(2, 3, 2, 2, 3, 2).mean(axis=(3, 5))
    np.testing.assert_allclose(array(halve_space(x)), expected, atol=1e-6)


def same_in_value_and_derivative(
    short: Callable[[], torch.Tensor], plain: Callable[[], torch.Tensor], *inputs: torch.Tensor
) -> None:
    for got, expected in zip(
        *(with_derivatives(each(), *inputs) for each in (short, plain)), strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


def with_derivatives(y: torch.Tensor, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).sin().view(y.shape)
    return (y, *torch.autograd.grad(y, inputs, weights))


@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_of_doubled_pixels_is_that_of_the_enlarged_image(bias: bool) -> None:
    conv = nn.Conv2d(3, 4, 3, padding=1, bias=bias).double()
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    same_in_value_and_derivative(
        lambda: convolve_doubled(x, conv), lambda: conv(double(x)), x, *conv.parameters()
    )


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("frames", [None, 1, 2, 5, 6])
def test_a_halved_convolution_is_the_average_of_its_results(frames: int | None, bias: bool) -> None:
    kind, halve = (nn.Conv3d, halve_all) if frames else (nn.Conv2d, halve_space)
    conv = kind(3, 4, 3, padding=1, bias=bias).double()
    shape = (2, 3, frames, 4, 6) if frames else (2, 3, 4, 6)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    same_in_value_and_derivative(
        lambda: convolve_halved(x, conv), lambda: halve(conv(x)), x, *conv.parameters()
    )


@pytest.mark.parametrize("kind", [GeneratorBlock, DeepGeneratorBlock])
def test_a_generator_block_treats_every_frame_alone(
    kind: type[GeneratorBlock] | type[DeepGeneratorBlock],
) -> None:
    block = kind(4, 2, per_step, upsample=True).eval()
    x, condition = torch.randn(2, 3, 4, 4, 4), torch.randn(2, CONDITION)
    before = block(x, condition)
    assert before.shape == (2, 3, 2, 8, 8)
    moved = x.clone()
    moved[1, 2] += 1
    same = torch.ones(2, 3, dtype=torch.bool)
    same[1, 2] = False
    after = block(moved, condition)
    assert torch.equal(after[same], before[same])
    assert not torch.equal(after[1, 2], before[1, 2])


@pytest.mark.parametrize("kind", [GeneratorBlock, DeepGeneratorBlock])
def test_a_condition_moves_every_frame_of_its_own_clip(
    kind: type[GeneratorBlock] | type[DeepGeneratorBlock],
) -> None:
    """A condition repeated time-major over batch-major frames would move those of other clips."""
    block = kind(4, 4, per_step, upsample=False).eval()
    x, condition = torch.randn(2, 3, 4, 4, 4), torch.randn(2, CONDITION)
    moved = condition.clone()
    moved[1] += 1
    change = (block(x, moved) - block(x, condition)).abs().amax(dim=(2, 3, 4))
    assert (change[0] == 0).all()
    assert (change[1] > 1e-3).all()


def test_the_first_block_sees_negative_pixels_and_a_later_one_does_not() -> None:
    video = -0.1 - torch.rand(2, 4, 8, 8)
    blind = DiscriminatorBlock(4, 4, dimensions=2, first=False, downsample=True).eval()
    seeing = DiscriminatorBlock(4, 4, dimensions=2, first=True, downsample=True).eval()
    for block in (blind, seeing):
        bake(block)
        torch.nn.init.zeros_(block.shortcut.weight)
    torch.testing.assert_close(blind(video), blind(2 * video))
    assert not torch.allclose(seeing(video), seeing(2 * video))
