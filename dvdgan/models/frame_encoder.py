"""The network that encodes the frames to be continued, for DVD-GAN-FP (paper A.4, Fig. 10)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from dvdgan.models import spectral
from dvdgan.models.architecture import Blocks
from dvdgan.models.tower import FrameTower, layer_widths


class EncodedFrames(NamedTuple):
    """The features of the conditioning frames that G is given."""

    state: Tensor
    """h_0 of the recurrence, (B, ch0, 4, 4)."""
    skips: dict[int, Tensor]
    """By resolution R: the stages' features, frames side by side in channels, (B, C*c, R, R)."""


class FrameEncoder(nn.Module):
    """The network of D_S on every conditioning frame alone; then all frames in channels.

    frames: (B, C, 3, R, R) in [-1, 1] -> EncodedFrames. A 1x1 convolution reduces the last
    features of all frames to the recurrence's initial state.
    """

    def __init__(
        self, frames: int, resolution: int, channels: int, state_channels: int, blocks: Blocks
    ) -> None:
        super().__init__()
        self.tower = FrameTower(resolution, channels, blocks)
        widths = layer_widths(resolution, channels)
        # Where two stages have one resolution (the last two), the later one is kept.
        self.skip_channels = {
            max(resolution >> (number + 1), 4): frames * width
            for number, width in enumerate(widths)
        }
        self.state = spectral.conv2d(frames * widths[-1], state_channels, 1)

    def forward(self, frames: Tensor) -> EncodedFrames:
        B, C = frames.shape[:2]
        features = self.tower(frames.flatten(0, 1))
        side_by_side = [maps.unflatten(0, (B, C)).flatten(1, 2) for maps in features]
        state = self.state(torch.relu(side_by_side[-1]))
        return EncodedFrames(state, {maps.shape[-1]: maps for maps in side_by_side})


class SkipConnection(nn.Module):
    """U-Net skip: conv3x3([x; skip]) back to the channels of x, at every time step.

    x: (B, T, C, H, W), skip: (B, S, H, W), the same for all steps -> (B, T, C, H, W).
    """

    def __init__(self, channels: int, skip_channels: int) -> None:
        super().__init__()
        self.conv = spectral.conv2d(channels + skip_channels, channels, 3)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        B, T, C = x.shape[:3]
        weight = self.conv.weight
        # W * [x; s] = W_x * x + W_s * s, and the second term is the same at every step.
        of_skip = conv2d(skip, weight[:, C:], self.conv.bias, padding=1)
        of_x = conv2d(x.flatten(0, 1), weight[:, :C], padding=1).unflatten(0, (B, T))
        joined: Tensor = of_x + of_skip[:, None]
        return joined
