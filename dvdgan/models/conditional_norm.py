"""What G's activations are normalised over, and the affine that follows (paper A.2, App. C)."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from dvdgan.models import spectral
from dvdgan.models.architecture import Norm

EPSILON = 1e-5
MOMENTUM = 0.1
MOST_GROUPS = 32


class PerStepBatchNorm(nn.Module):
    """Normalise each channel at each time step over batch, height and width.

    Nothing is reduced over time, so no information can pass between frames here.
    x: (B, T, C, H, W) -> (B, T, C, H, W), mean 0 and variance 1 per (t, c) in training mode.
    """

    def __init__(self, frames: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(frames * channels, EPSILON, MOMENTUM, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        steps_as_channels: Tensor = self.norm(x.flatten(1, 2))
        return steps_as_channels.view_as(x)


class PerFrame(nn.Module):
    """A norm of images, on the frames of all clips as one batch. x: (B, T, C, H, W)."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        frames: Tensor = self.norm(x.flatten(0, 1))
        return frames.view_as(x)


def groups(channels: int) -> int:
    """Wu & He's 32 groups, or the largest power of two below that divides ``channels``."""
    return math.gcd(channels, MOST_GROUPS)


# App. C's variants, by what their statistics are taken over. All without an affine of their own.
NORMS: dict[Norm, Callable[[int, int], nn.Module]] = {
    # batch, height and width of one time step
    "per_step_batch": PerStepBatchNorm,
    # batch, time, height and width: an early version, in which frames leak into each other
    "batch": lambda frames, channels: PerFrame(
        nn.BatchNorm2d(channels, EPSILON, MOMENTUM, affine=False)
    ),
    # a group of channels, height and width of one frame
    "group": lambda frames, channels: PerFrame(
        nn.GroupNorm(groups(channels), channels, EPSILON, affine=False)
    ),
    # all channels, height and width of one frame
    "layer": lambda frames, channels: PerFrame(nn.GroupNorm(1, channels, EPSILON, affine=False)),
    # height and width of one channel of one frame
    "instance": lambda frames, channels: PerFrame(
        nn.GroupNorm(channels, channels, EPSILON, affine=False)
    ),
    "none": lambda frames, channels: nn.Identity(),
}


class ConditionalNorm(nn.Module):
    """Normalise, then scale and shift as functions of noise and class.

    y = (1 + W_scale cond) * norm(x) + W_shift cond, both maps linear, without bias, spectrally
    normalised. x: (B, T, C, H, W); condition: (B, D), shared by all steps of a clip.
    """

    def __init__(self, norm: Norm, frames: int, channels: int, condition: int) -> None:
        super().__init__()
        self.norm = NORMS[norm](frames, channels)
        self.scale = spectral.linear(condition, channels, bias=False)
        self.shift = spectral.linear(condition, channels, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale = 1 + self.scale(condition)[:, None, :, None, None]
        shift = self.shift(condition)[:, None, :, None, None]
        return torch.addcmul(shift, self.norm(x), scale)


class OutputNorm(nn.Module):
    """The final norm: one learned scale and shift per channel, the same at every step.

    App. C: removing it is catastrophic. x: (B, T, C, H, W).
    """

    def __init__(self, norm: Norm, frames: int, channels: int) -> None:
        super().__init__()
        self.norm = NORMS[norm](frames, channels)
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.shift, self.norm(x), self.scale)
