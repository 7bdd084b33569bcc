"""BigGAN's residual blocks: for G on folded frames, for D in two and three dimensions."""

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    avg_pool2d,
    avg_pool3d,
    conv2d,
    conv3d,
    conv_transpose2d,
    interpolate,
)

from dvdgan.models import spectral
from dvdgan.models.conditional_norm import ConditionalNorm

# channels -> a conditional norm of so many.
NormMaker = Callable[[int], ConditionalNorm]


class GeneratorBlock(nn.Module):
    """norm, relu, [x2], conv, norm, relu, conv, with a 1x1 shortcut (BigGAN's GBlock).

    Every frame is treated alone: x (B, T, C, H, W), condition (B, D) -> (B, T, C', H', W'), with
    H' = 2H where the block doubles the resolution. ``norm``: channels -> the norm of so many.
    """

    def __init__(
        self, channels_in: int, channels_out: int, norm: NormMaker, upsample: bool
    ) -> None:
        super().__init__()
        self.upsample = upsample
        self.norm1 = norm(channels_in)
        self.conv1 = spectral.conv2d(channels_in, channels_out, 3)
        self.norm2 = norm(channels_out)
        self.conv2 = spectral.conv2d(channels_out, channels_out, 3)
        keeps_shape = channels_in == channels_out and not upsample
        self.shortcut = (
            nn.Identity() if keeps_shape else spectral.conv2d(channels_in, channels_out, 1)
        )

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        B, T = x.shape[:2]
        h = torch.relu_(self.norm1(x, condition)).flatten(0, 1)
        h = convolve_doubled(h, self.conv1) if self.upsample else self.conv1(h)
        h = torch.relu_(self.norm2(h.unflatten(0, (B, T)), condition)).flatten(0, 1)
        # A 1x1 convolution and a copy of pixels commute: convolve the smaller one.
        shortcut = self.shortcut(x.flatten(0, 1))
        frames: Tensor = self.conv2(h) + (double(shortcut) if self.upsample else shortcut)
        return frames.view(B, T, *frames.shape[1:])


class DeepGeneratorBlock(nn.Module):
    """BigGAN-deep's bottleneck: 1x1 to C/4, two 3x3, 1x1 back, each after norm and relu.

    The shortcut drops the channels it has too many of; where it has too few, it is a 1x1
    convolution (only where ch0 is below the first layer's width). Shapes as GeneratorBlock.
    """

    def __init__(
        self, channels_in: int, channels_out: int, norm: NormMaker, upsample: bool
    ) -> None:
        super().__init__()
        self.upsample = upsample
        self.channels_out = channels_out
        hidden = max(channels_in // 4, 1)
        self.norms = nn.ModuleList(map(norm, (channels_in, hidden, hidden, hidden)))
        self.convs = nn.ModuleList(
            [
                spectral.conv2d(channels_in, hidden, 1),
                spectral.conv2d(hidden, hidden, 3),
                spectral.conv2d(hidden, hidden, 3),
                spectral.conv2d(hidden, channels_out, 1),
            ]
        )
        gains = channels_out > channels_in
        self.shortcut = spectral.conv2d(channels_in, channels_out, 1) if gains else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        B, T = x.shape[:2]
        h = x
        for number, (norm, conv) in enumerate(zip(self.norms, self.convs, strict=True)):
            frames = torch.relu_(norm(h, condition)).flatten(0, 1)
            doubles = self.upsample and number == 1
            frames = convolve_doubled(frames, conv) if doubles else conv(frames)
            h = frames.unflatten(0, (B, T))
        shortcut = self.shortcut(x.flatten(0, 1))[:, : self.channels_out]
        shortcut = double(shortcut) if self.upsample else shortcut
        changed: Tensor = h + shortcut.unflatten(0, (B, T))
        return changed


class DiscriminatorBlock(nn.Module):
    """[relu], conv, relu, conv, [/2], with a 1x1 shortcut (BigGAN's DBlock).

    ``dimensions`` 2: x (N, C, H, W); 3: x (N, C, T, H, W), every convolution 3x3x3, and halving
    also halves T (rounded up, so that T never vanishes). ``first``: x is the input video, which no
    relu may cut, and the shortcut pools before its convolution.
    """

    def __init__(
        self, channels_in: int, channels_out: int, dimensions: int, first: bool, downsample: bool
    ) -> None:
        super().__init__()
        conv = convolution(dimensions)
        self.first = first
        self.downsample = downsample
        self.pool = halving(dimensions) if downsample else nn.Identity()
        self.conv1 = conv(channels_in, channels_out, 3)
        self.conv2 = conv(channels_out, channels_out, 3)
        keeps_shape = channels_in == channels_out and not downsample
        self.shortcut = nn.Identity() if keeps_shape else conv(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu_(self.conv1(x if self.first else torch.relu(x)))
        h = convolve_halved(h, self.conv2) if self.downsample else self.conv2(h)
        # Convolve and pool, or pool and convolve (BigGAN's first block): a 1x1 convolution commutes
        # with an average, so the cheaper order serves for both.
        changed: Tensor = h + self.shortcut(self.pool(x))
        return changed


class DeepDiscriminatorBlock(nn.Module):
    """BigGAN-deep's bottleneck: relu before each of 1x1 to C'/4, two 3x3, [/2], 1x1 to C'.

    The shortcut pools and keeps its channels, and gets those it lacks from a 1x1 convolution.
    Shapes as DiscriminatorBlock; in three dimensions 3x3 is 3x3x3.
    """

    def __init__(
        self, channels_in: int, channels_out: int, dimensions: int, downsample: bool
    ) -> None:
        super().__init__()
        conv = convolution(dimensions)
        hidden = max(channels_out // 4, 1)
        self.pool = halving(dimensions) if downsample else nn.Identity()
        self.conv1 = conv(channels_in, hidden, 1)
        self.conv2 = conv(hidden, hidden, 3)
        self.conv3 = conv(hidden, hidden, 3)
        self.conv4 = conv(hidden, channels_out, 1)
        lacking = channels_out - channels_in
        self.shortcut = conv(channels_in, lacking, 1) if lacking else None

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(torch.relu_(self.conv1(torch.relu(x))))
        h = self.conv4(self.pool(torch.relu_(self.conv3(torch.relu_(h)))))
        shortcut = self.pool(x)
        if self.shortcut is not None:
            shortcut = torch.cat([shortcut, self.shortcut(shortcut)], dim=1)
        changed: Tensor = h + shortcut
        return changed


def convolution(dimensions: int) -> Callable[[int, int, int], nn.Module]:
    """The spectrally normalised convolution of images (2) or videos (3)."""
    return spectral.conv2d if dimensions == 2 else spectral.conv3d


def halving(dimensions: int) -> Callable[[Tensor], Tensor]:
    """The pooling of images (2) or videos (3)."""
    return halve_space if dimensions == 2 else halve_all


def double(x: Tensor) -> Tensor:
    """Nearest-neighbour upsampling: (N, C, H, W) -> (N, C, 2H, 2W)."""
    return interpolate(x, scale_factor=2.0)


def convolve_doubled(x: Tensor, conv: nn.Module) -> Tensor:
    """``conv``, 3x3, on ``x`` doubled: (N, C, H, W) -> (N, C', 2H, 2W).

    The taps that fall on copies of one pixel are added up first: a transposed convolution by a 4x4
    kernel gives the same sums with 16 of 36 multiply-adds.
    """
    weight, bias = _parameters(conv)
    kernel = widened(widened(weight, 2), 3).flip(2, 3).transpose(0, 1)
    return conv_transpose2d(x, kernel, bias, stride=2, padding=1)


def convolve_halved(x: Tensor, conv: nn.Module) -> Tensor:
    """``conv``, 3x3 or 3x3x3, on ``x``, then halved. In two dimensions (N, C, H, W) ->
    (N, C', H/2, W/2), in three (N, C, T, H, W) -> (N, C', ceil(T/2), H/2, W/2).

    The average goes into the kernel, which becomes 4x4 with a stride of 2: the same sums with 16
    of 36 multiply-adds, in three dimensions 64 of 216. An odd T is halved afterwards.
    """
    weight, bias = _parameters(conv)
    strides = [2 if size % 2 == 0 else 1 for size in x.shape[2:]]
    for axis, stride in enumerate(strides, start=2):
        if stride == 2:
            weight = widened(weight, axis)
    weight = weight / prod(strides)
    if x.dim() == 4:
        return conv2d(x, weight, bias, strides, padding=1)
    h = conv3d(x, weight, bias, strides, padding=1)
    return h if strides[0] == 2 else halve_time(h)


def widened(kernel: Tensor, axis: int) -> Tensor:
    """The sums of neighbouring taps along ``axis``, one more than there are taps."""
    nothing = torch.zeros_like(kernel.narrow(axis, 0, 1))
    return torch.cat([kernel, nothing], axis) + torch.cat([nothing, kernel], axis)


def _parameters(conv: nn.Module) -> tuple[Tensor, Tensor | None]:
    weight, bias = conv.weight, conv.bias
    assert isinstance(weight, Tensor) and (bias is None or isinstance(bias, Tensor))
    return weight, bias


def halve_space(x: Tensor) -> Tensor:
    """2x2 average pooling: (N, C, H, W) -> (N, C, H/2, W/2)."""
    return avg_pool2d(x, 2)


def halve_all(x: Tensor) -> Tensor:
    """2x2x2 average pooling, a last odd step averaged alone: (N, C, T, H, W), T -> ceil(T/2)."""
    return avg_pool3d(_with_even_time(x), 2)


def halve_time(x: Tensor) -> Tensor:
    """Averages of two steps, a last odd step alone: (N, C, T, H, W), T -> ceil(T/2)."""
    return avg_pool3d(_with_even_time(x), (2, 1, 1))


def _with_even_time(x: Tensor) -> Tensor:
    if x.shape[2] % 2 == 0:
        return x
    # The mean of a step with itself. Not ceil_mode, whose gradient of the last step torch.compile
    # halves (pytorch issue 198119).
    return torch.cat([x, x[:, :, -1:]], dim=2)
