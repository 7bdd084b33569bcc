"""BigGAN's residual blocks, for G on folded frames and for D in two and three dimensions."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, avg_pool3d, interpolate

from dvdgan.models import spectral
from dvdgan.models.conditional_norm import ConditionalBatchNorm


class GeneratorBlock(nn.Module):
    """norm, relu, [x2], conv, norm, relu, conv, beside a 1x1 shortcut (BigGAN's GBlock).

    Every frame is treated alone: x (B, T, C, H, W), condition (B, D) -> (B, T, C', H', W'), with
    H' = 2H where the block doubles the resolution.
    """

    def __init__(
        self, channels_in: int, channels_out: int, frames: int, condition: int, upsample: bool
    ) -> None:
        super().__init__()
        self.upsample = upsample
        self.norm1 = ConditionalBatchNorm(frames, channels_in, condition)
        self.conv1 = spectral.conv2d(channels_in, channels_out, 3)
        self.norm2 = ConditionalBatchNorm(frames, channels_out, condition)
        self.conv2 = spectral.conv2d(channels_out, channels_out, 3)
        keeps_shape = channels_in == channels_out and not upsample
        self.shortcut = (
            nn.Identity() if keeps_shape else spectral.conv2d(channels_in, channels_out, 1)
        )

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        B, T = x.shape[:2]
        h = torch.relu(self.norm1(x, condition)).flatten(0, 1)
        x = x.flatten(0, 1)
        if self.upsample:
            h = interpolate(h, scale_factor=2.0)
            x = interpolate(x, scale_factor=2.0)
        h = self.conv1(h).unflatten(0, (B, T))
        h = torch.relu(self.norm2(h, condition)).flatten(0, 1)
        frames: Tensor = self.conv2(h) + self.shortcut(x)
        return frames.view(B, T, *frames.shape[1:])


class DiscriminatorBlock(nn.Module):
    """[relu], conv, relu, conv, [/2], beside a 1x1 shortcut (BigGAN's DBlock).

    ``dimensions`` 2: x (N, C, H, W); 3: x (N, C, T, H, W), every convolution 3x3x3, and halving
    also halves T (rounded up, so that T never vanishes). ``first``: x is the input video, which no
    relu may cut, and the shortcut pools before its convolution.
    """

    def __init__(
        self, channels_in: int, channels_out: int, dimensions: int, first: bool, downsample: bool
    ) -> None:
        super().__init__()
        conv: Callable[[int, int, int], nn.Module] = (
            spectral.conv2d if dimensions == 2 else spectral.conv3d
        )
        self.first = first
        self.pool = (halve_space if dimensions == 2 else halve_all) if downsample else nn.Identity()
        self.conv1 = conv(channels_in, channels_out, 3)
        self.conv2 = conv(channels_out, channels_out, 3)
        keeps_shape = channels_in == channels_out and not downsample
        self.shortcut = nn.Identity() if keeps_shape else conv(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = x if self.first else torch.relu(x)
        h = self.conv2(torch.relu(self.conv1(h)))
        shortcut = self.shortcut(self.pool(x)) if self.first else self.pool(self.shortcut(x))
        return self.pool(h) + shortcut


def halve_space(x: Tensor) -> Tensor:
    """2x2 average pooling: (N, C, H, W) -> (N, C, H/2, W/2)."""
    return avg_pool2d(x, 2)


def halve_all(x: Tensor) -> Tensor:
    """2x2x2 average pooling, a last odd step averaged alone: (N, C, T, H, W), T -> ceil(T/2)."""
    return avg_pool3d(x, (min(x.shape[2], 2), 2, 2), ceil_mode=True)
