"""Batch normalisation with statistics of its own at every time step (paper A.2, App. C)."""

import torch
from torch import Tensor, nn

from dvdgan.models import spectral

EPSILON = 1e-5
MOMENTUM = 0.1


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


class ConditionalBatchNorm(nn.Module):
    """Per-step batch norm, then scale and shift as functions of noise and class.

    y = (1 + W_scale cond) * norm(x) + W_shift cond, both maps linear, without bias, spectrally
    normalised. x: (B, T, C, H, W); condition: (B, D), shared by all steps of a clip.
    """

    def __init__(self, frames: int, channels: int, condition: int) -> None:
        super().__init__()
        self.norm = PerStepBatchNorm(frames, channels)
        self.scale = spectral.linear(condition, channels, bias=False)
        self.shift = spectral.linear(condition, channels, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale = 1 + self.scale(condition)[:, None, :, None, None]
        shift = self.shift(condition)[:, None, :, None, None]
        return torch.addcmul(shift, self.norm(x), scale)


class OutputNorm(nn.Module):
    """The final batch norm: per-step statistics, one learned scale and shift per channel.

    App. C: removing it is catastrophic. x: (B, T, C, H, W).
    """

    def __init__(self, frames: int, channels: int) -> None:
        super().__init__()
        self.norm = PerStepBatchNorm(frames, channels)
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.shift, self.norm(x), self.scale)
