"""Self-attention over all positions of a clip at once, or over one axis after another (paper 3.2).

Each layer is BigGAN's non-local block: query and key at C/8, value at C/2, 1x1 convolutions without
bias, no 1/sqrt(d), the residual scaled by a learned gamma that starts at 0.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad, scaled_dot_product_attention

from dvdgan.models import spectral

# Positions of the axes in (B, T, H, W, C).
TIME, HEIGHT, WIDTH = 1, 2, 3


class SelfAttention(nn.Module):
    """x + gamma * attention(x). x: (B, T, C, H, W) -> (B, T, C, H, W).

    ``axis`` None: every position attends to all T*H*W positions; else only to those that differ
    from it along that axis alone. ``pooled``: keys and values are the maxima of 2x2 pixels, as in
    BigGAN (with axis None).
    """

    def __init__(self, channels: int, axis: int | None = None, pooled: bool = False) -> None:
        super().__init__()
        self.axis = axis
        self.pooled = pooled
        self.query = spectral.conv2d(channels, max(channels // 8, 1), 1, bias=False)
        self.key = spectral.conv2d(channels, max(channels // 8, 1), 1, bias=False)
        self.value = spectral.conv2d(channels, max(channels // 2, 1), 1, bias=False)
        self.output = spectral.conv2d(max(channels // 2, 1), channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        B, T, _, H, W = x.shape
        frames = x.flatten(0, 1)
        query, key, value = self.query(frames), self.key(frames), self.value(frames)
        if self.pooled:
            key, value = max_pool2d(key, 2), max_pool2d(value, 2)
        query, key, value = (
            self._tokens(maps.unflatten(0, (B, T))) for maps in (query, key, value)
        )
        attended = attend(query, key, value)
        if self.axis is None:
            attended = attended.unflatten(1, (T, H, W))
        else:
            attended = attended.movedim(-2, self.axis)
        maps = attended.movedim(-1, 2).flatten(0, 1)  # (B*T, C/2, H, W)
        change: Tensor = self.output(maps.contiguous(memory_format=torch.channels_last))
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


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(query key^T) value, no weight matrix stored.

    query: (..., N, d), key: (..., M, d), value: (..., M, e), d <= e -> (..., N, e).
    """
    # The kernels that store no weights want query, key and value equally wide; zeros add nothing.
    wider = (0, value.shape[-1] - query.shape[-1])
    batch = value.shape[:-2]
    tokens = (pad(query, wider), pad(key, wider), value)
    # (batch, 1 head, tokens, width), the numbers of a token side by side: other numbers of
    # dimensions, and transposed tokens, fall back to a stored matrix.
    query, key, value = (each.flatten(0, -3)[:, None].contiguous() for each in tokens)
    attended: Tensor = scaled_dot_product_attention(query, key, value, scale=1.0)
    return attended.view(*batch, *attended.shape[-2:])
