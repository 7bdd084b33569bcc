"""Batch norm that keeps time steps apart and takes its affine from the condition (paper A.2)."""

import numpy as np
import torch
from plain_numpy import array

from dvdgan.models.conditional_norm import (
    EPSILON,
    ConditionalBatchNorm,
    OutputNorm,
    PerStepBatchNorm,
)
from dvdgan.models.spectral import bake


def test_a_step_does_not_see_the_others() -> None:
    norm = PerStepBatchNorm(frames=4, channels=3).train()
    x = torch.randn(5, 4, 3, 6, 6)
    before = norm(x)
    for step in range(4):
        moved = x.clone()
        others = [other for other in range(4) if other != step]
        moved[:, others] = 7 + 3 * torch.randn(5, 3, 3, 6, 6)
        after = norm(moved)
        assert torch.equal(after[:, step], before[:, step])
        assert not torch.equal(after[:, others], before[:, others])


def test_every_step_has_its_own_mean_and_variance() -> None:
    norm = PerStepBatchNorm(frames=3, channels=2).train()
    x = torch.randn(8, 3, 2, 5, 5) * torch.tensor([1.0, 4, 9])[:, None, None, None] + 2
    plain = array(x)
    mean = plain.mean(axis=(0, 3, 4), keepdims=True)
    variance = plain.var(axis=(0, 3, 4), keepdims=True)
    expected = (plain - mean) / np.sqrt(variance + EPSILON)
    np.testing.assert_allclose(array(norm(x)), expected, atol=1e-5)


def test_gain_is_one_and_shift_zero_without_a_condition() -> None:
    norm = ConditionalBatchNorm(frames=3, channels=4, condition=6).train()
    x = torch.randn(5, 3, 4, 4, 4)
    assert torch.equal(norm(x, torch.zeros(5, 6)), norm.norm(x))
    expected = norm.norm(x)
    bake(norm)  # a normalised weight cannot be zero
    norm.train()
    for layer in (norm.scale, norm.shift):
        torch.nn.init.zeros_(layer.weight)
    assert torch.equal(norm(x, torch.randn(5, 6)), expected)


def test_the_affine_is_the_condition_s() -> None:
    norm = ConditionalBatchNorm(frames=3, channels=4, condition=6).eval()
    x, condition = torch.randn(5, 3, 4, 4, 4), torch.randn(5, 6)
    norm.norm.norm.running_mean.normal_()
    norm.norm.norm.running_var.uniform_(0.5, 2)
    got = array(norm(x, condition))
    mean = array(norm.norm.norm.running_mean).reshape(3, 4)
    variance = array(norm.norm.norm.running_var).reshape(3, 4)
    scale, shift = array(norm.scale.weight), array(norm.shift.weight)
    for clip, step, channel in np.ndindex(5, 3, 4):
        plain = (array(x[clip, step, channel]) - mean[step, channel]) / np.sqrt(
            variance[step, channel] + EPSILON
        )
        gain = 1 + scale[channel] @ array(condition[clip])
        expected = gain * plain + shift[channel] @ array(condition[clip])
        np.testing.assert_allclose(got[clip, step, channel], expected, atol=1e-5)


def test_the_output_norm_learns_one_affine_per_channel() -> None:
    norm = OutputNorm(frames=2, channels=3).train()
    x = torch.randn(4, 2, 3, 5, 5)
    assert torch.equal(norm(x), norm.norm(x))
    with torch.no_grad():
        norm.scale[1] = 3
        norm.shift[2] = 5
    expected = array(norm.norm(x)) * np.array([1, 3, 1])[:, None, None]
    expected += np.array([0, 0, 5])[:, None, None]
    np.testing.assert_allclose(array(norm(x)), expected, atol=1e-5)
