"""Self-attention over all positions of a clip at once, or over one axis after another (paper 3.2).

Each layer is BigGAN's non-local block: query and key at C/8, value at C/2, 1x1 convolutions without
bias, no 1/sqrt(d), the residual scaled by a learned gamma that starts at 0.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from dvdgan.models import spectral

# Positions of the axes in (B, T, H, W, C).
TIME, HEIGHT, WIDTH = 1, 2, 3


class SelfAttention(nn.Module):
    """x + gamma * attention(x). x: (B, T, C, H, W) -> (B, T, C, H, W).

    ``axis`` None: every position attends to all T*H*W positions; else only to those that differ
    from it along that axis alone.
    """

    def __init__(self, channels: int, axis: int | None = None) -> None:
        super().__init__()
        self.axis = axis
        self.query = spectral.conv2d(channels, max(channels // 8, 1), 1, bias=False)
        self.key = spectral.conv2d(channels, max(channels // 8, 1), 1, bias=False)
        self.value = spectral.conv2d(channels, max(channels // 2, 1), 1, bias=False)
        self.output = spectral.conv2d(max(channels // 2, 1), channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        B, T, _, H, W = x.shape
        query, key, value = (
            self._tokens(layer(x.flatten(0, 1)).view(B, T, -1, H, W))
            for layer in (self.query, self.key, self.value)
        )
        attended = scaled_dot_product_attention(query, key, value, scale=1.0)
        if self.axis is None:
            attended = attended.unflatten(1, (T, H, W))
        else:
            attended = attended.movedim(-2, self.axis)
        maps = attended.movedim(-1, 2)  # (B, T, C/2, H, W)
        change: Tensor = self.output(maps.flatten(0, 1))
        return x + self.gamma * change.view_as(x)

    def _tokens(self, maps: Tensor) -> Tensor:
        """(B, T, c, H, W) -> (B, ..., tokens, c)."""
        channels_last = maps.movedim(2, -1)
        if self.axis is None:
            return channels_last.flatten(1, 3)
        return channels_last.movedim(self.axis, -2)


class SeparableSelfAttention(nn.Sequential):
    """Attention over height, then width, then time: x (B, T, C, H, W) -> the same shape.

    The largest weight tensor has max(H^2 W T, H W^2 T, H W T^2) entries instead of (H W T)^2.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(*(SelfAttention(channels, axis) for axis in (HEIGHT, WIDTH, TIME)))
