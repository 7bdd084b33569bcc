"""What every norm takes its statistics over, and the affine of the condition (paper A.2, C)."""

from typing import get_args

import numpy as np
import pytest
import torch
from plain_numpy import array, standardised
from torch import nn

from dvdgan.models.architecture import Norm
from dvdgan.models.conditional_norm import NORMS, ConditionalNorm, OutputNorm, groups
from dvdgan.models.spectral import bake

EPSILON = 1e-5  # BigGAN's
MOMENTUM = 0.1
FRAMES, CHANNELS = 3, 12

every_norm = pytest.mark.parametrize("norm", get_args(Norm))
norms_of_single_frames = pytest.mark.parametrize("norm", ["group", "layer", "instance", "none"])


def uneven(clips: int = 5) -> torch.Tensor:
    """Features whose mean and deviation differ between clips, steps and channels."""
    x = torch.randn(clips, FRAMES, CHANNELS, 4, 6)
    for axis in range(3):
        sizes = [x.shape[axis] if axis == other else 1 for other in range(5)]
        x = x * (0.5 + 2 * torch.rand(sizes)) + torch.randn(sizes)
    return x


def plain(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """What the norm gives with a scale of 1 and a shift of 0."""
    y: torch.Tensor = layer(x, torch.ones(()), torch.zeros(()))
    return y


def test_all_norms_are_tested() -> None:
    assert set(NORMS) == set(get_args(Norm))


@every_norm
def test_training_takes_the_statistics_of_what_it_sees(norm: Norm) -> None:
    x = uneven()
    got = plain(NORMS[norm](FRAMES, CHANNELS).train(), x)
    np.testing.assert_allclose(array(got), standardised(norm, array(x)), atol=2e-5)


@pytest.mark.parametrize(("norm", "axes"), [("per_step_batch", (0, 3, 4)), ("batch", (0, 1, 3, 4))])
def test_sampling_takes_the_running_statistics(norm: Norm, axes: tuple[int, ...]) -> None:
    layer = NORMS[norm](FRAMES, CHANNELS).train()
    seen, x = uneven(), uneven(clips=2)
    plain(layer, seen)
    got = plain(layer.eval(), x)
    values = array(seen)
    mean = MOMENTUM * values.mean(axes, keepdims=True)
    variance = 1 - MOMENTUM + MOMENTUM * values.var(axes, keepdims=True, ddof=1)
    np.testing.assert_allclose(
        array(got), (array(x) - mean) / np.sqrt(variance + EPSILON), atol=2e-5
    )
    assert torch.equal(plain(layer, x[1:]), got[1:])  # a clip no longer depends on its neighbours


@norms_of_single_frames
def test_norms_of_single_frames_do_the_same_when_sampling(norm: Norm) -> None:
    layer, x = NORMS[norm](FRAMES, CHANNELS), uneven()
    trained = plain(layer.train(), x)
    assert torch.equal(plain(layer.eval(), x), trained)
    alone = plain(layer, x[2:3, 1:2])
    torch.testing.assert_close(alone, trained[2:3, 1:2])


@every_norm
def test_only_batch_norm_over_all_frames_lets_a_step_see_the_others(norm: Norm) -> None:
    layer, x = NORMS[norm](FRAMES, CHANNELS).train(), uneven()
    before = plain(layer, x)
    for step in range(FRAMES):
        moved = x.clone()
        others = [other for other in range(FRAMES) if other != step]
        moved[:, others] = 7 + 3 * torch.randn(5, 2, CHANNELS, 4, 6)
        after = plain(layer, moved)
        assert torch.equal(after[:, step], before[:, step]) == (norm != "batch")
        assert not torch.equal(after[:, others], before[:, others])


@pytest.mark.parametrize(
    ("channels", "number"), [(1, 1), (6, 2), (24, 8), (32, 32), (48, 16), (64, 32), (1024, 32)]
)
def test_groups_are_32_where_they_divide_the_channels(channels: int, number: int) -> None:
    assert groups(channels) == number


@every_norm
def test_gain_is_one_and_shift_zero_without_a_condition(norm: Norm) -> None:
    layer = ConditionalNorm(norm, FRAMES, CHANNELS, condition=6).train()
    x = uneven()
    expected = standardised(norm, array(x))
    np.testing.assert_allclose(array(layer(x, torch.zeros(5, 6))), expected, atol=2e-5)
    bake(layer)  # a normalised weight cannot be zero
    layer.train()
    for linear in (layer.scale, layer.shift):
        nn.init.zeros_(linear.weight)
    np.testing.assert_allclose(array(layer(x, torch.randn(5, 6))), expected, atol=2e-5)


@every_norm
def test_gain_and_shift_are_linear_in_the_clip_s_own_condition(norm: Norm) -> None:
    """The same for all steps of a clip, and another for another clip."""
    layer = ConditionalNorm(norm, FRAMES, CHANNELS, condition=6).train()
    x, condition = uneven(), torch.randn(5, 6)
    got = array(layer(x, condition))
    layer.eval()  # so that reading a weight runs no further power iteration
    scale, shift = array(layer.scale.weight), array(layer.shift.weight)
    normed = standardised(norm, array(x))
    for clip, step in np.ndindex(5, FRAMES):
        gain = 1 + scale @ array(condition[clip])
        offset = shift @ array(condition[clip])
        expected = gain[:, None, None] * normed[clip, step] + offset[:, None, None]
        np.testing.assert_allclose(got[clip, step], expected, atol=1e-4)


def test_gain_is_one_on_average_at_initialisation() -> None:
    """An affine of W cond alone, without the 1, has a gain of 0 on average."""
    layer = ConditionalNorm("none", 1, channels=64, condition=64)
    ones = torch.ones(500, 1, 64, 1, 1)
    condition = torch.randn(500, 64)
    gain = layer(ones, condition) - layer(torch.zeros_like(ones), condition)
    assert gain.mean().item() == pytest.approx(1, abs=0.05)


@every_norm
def test_the_output_norm_learns_one_affine_per_channel(norm: Norm) -> None:
    layer = OutputNorm(norm, FRAMES, CHANNELS).train()
    x = uneven()
    expected = standardised(norm, array(x))
    np.testing.assert_allclose(array(layer(x)), expected, atol=2e-5)
    with torch.no_grad():
        layer.scale[1] = 3
        layer.shift[2] = 5
    expected[:, :, 1] *= 3
    expected[:, :, 2] += 5
    np.testing.assert_allclose(array(layer(x)), expected, atol=5e-5)
    assert sum(parameter.numel() for parameter in layer.parameters()) == 2 * CHANNELS


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("per_clip", [False, True])
def test_the_norm_of_a_step_has_the_derivatives_of_its_formula(
    per_clip: bool, channels_last: bool
) -> None:
    """Against autograd on the formula, in float64; a clip's own affine, or one for all."""
    layer = NORMS["per_step_batch"](FRAMES, CHANNELS).train()
    x = uneven().double()
    if channels_last:
        x = x.movedim(2, -1).contiguous().movedim(-1, 2)
    shape = (len(x), 1, CHANNELS, 1, 1) if per_clip else (CHANNELS, 1, 1)
    inputs = [
        each.double().requires_grad_() for each in (x, torch.randn(shape), torch.randn(shape))
    ]
    x, scale, shift = inputs
    variance, mean = torch.var_mean(x, (0, 3, 4), correction=0, keepdim=True)
    formula = scale * (x - mean) / torch.sqrt(variance + EPSILON) + shift
    weights = torch.randn_like(formula)
    got = layer(x, scale, shift)
    assert got.stride() == x.stride()
    torch.testing.assert_close(got, formula, rtol=1e-10, atol=1e-10)
    for one, other in zip(
        *(torch.autograd.grad(y, inputs, weights) for y in (got, formula)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_half_precision_is_normalised_in_single_precision() -> None:
    layer = NORMS["per_step_batch"](FRAMES, CHANNELS).train()
    x = (uneven() + 100).bfloat16()  # whose mean and squares have more digits than bfloat16
    expected = standardised("per_step_batch", array(x.float()))
    np.testing.assert_allclose(array(plain(layer, x).float()), expected, atol=0.02)
