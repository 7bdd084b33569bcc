"""I3D, the inflated Inception-v1 of Carreira & Zisserman 2017, as DeepMind's kinetics-i3d has it.

In evaluation, batch normalisation is an affine map of every channel; conversion folds it into the
preceding convolution, so that every unit here is a convolution with a bias.
"""

from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvdgan.evaluation.networks.clip_network import Activations, ClipNetwork, centred

Size = tuple[int, int, int]

# Channels in; then of each branch: 1x1x1; 1x1x1, 3x3x3; 1x1x1, 3x3x3; 1x1x1 after the pool.
WIDTHS = {
    "mixed_3b": (192, 64, 96, 128, 16, 32, 32),
    "mixed_3c": (256, 128, 128, 192, 32, 96, 64),
    "mixed_4b": (480, 192, 96, 208, 16, 48, 64),
    "mixed_4c": (512, 160, 112, 224, 24, 64, 64),
    "mixed_4d": (512, 128, 128, 256, 24, 64, 64),
    "mixed_4e": (512, 112, 144, 288, 32, 64, 64),
    "mixed_4f": (528, 256, 160, 320, 32, 128, 128),
    "mixed_5b": (832, 256, 160, 320, 32, 128, 128),
    "mixed_5c": (832, 384, 192, 384, 48, 128, 128),
}
FEATURES = 1024


def same_padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME along one axis: elements before and after; an odd one goes after."""
    total = max(kernel - (length % stride or stride), 0)
    return total // 2, total - total // 2


def pool_same(features: Tensor, kernel: Size, stride: Size) -> Tensor:
    """Max pooling with SAME padding, one axis after the other, of non-negative features.

    Zeros can then pad. Equal to torch's max_pool3d bit for bit, and several times faster on a CPU.
    """
    for axis, size, step in zip((2, 3, 4), kernel, stride, strict=True):
        if size == 1:
            continue
        length = features.shape[axis]
        last = (-(-length // step) - 1) * step + 1
        pads = [0, 0] * (4 - axis) + list(same_padding(length, size, step))
        padded = functional.pad(features, pads)
        shifted = [padded.narrow(axis, start, last) for start in range(size)]
        every = (slice(None),) * axis + (slice(None, None, step),)
        features = reduce(torch.maximum, (each[every] for each in shifted))
    return features


class ConvUnit(nn.Module):
    """SAME convolution with bias, ReLU: (B, in, T, H, W) -> (B, out, ceil(T / stride), ...)."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1) -> None:
        super().__init__()
        # At stride 1 SAME is symmetric; else it depends on the input's size.
        padding = size // 2 if stride == 1 else 0
        self.conv = nn.Conv3d(inputs, outputs, size, stride, padding)

    def forward(self, features: Tensor) -> Tensor:
        size, stride = self.conv.kernel_size[0], self.conv.stride[0]
        if stride > 1:
            lengths = reversed(features.shape[2:])  # functional.pad begins with the last axis
            pads = [side for length in lengths for side in same_padding(length, size, stride)]
            features = functional.pad(features, pads)
        return functional.relu(self.conv(features), inplace=True)


class Mixed(nn.Module):
    """An Inception module: four branches, concatenated in channels."""

    def __init__(
        self,
        inputs: int,
        point: int,
        wide_in: int,
        wide: int,
        narrow_in: int,
        narrow: int,
        pool: int,
    ) -> None:
        super().__init__()
        self.point = ConvUnit(inputs, point, 1)
        self.wide_in, self.wide = ConvUnit(inputs, wide_in, 1), ConvUnit(wide_in, wide, 3)
        self.narrow_in, self.narrow = ConvUnit(inputs, narrow_in, 1), ConvUnit(narrow_in, narrow, 3)
        self.pool = ConvUnit(inputs, pool, 1)

    def forward(self, features: Tensor) -> Tensor:
        branches = (
            self.point(features),
            self.wide(self.wide_in(features)),
            self.narrow(self.narrow_in(features)),
            self.pool(pool_same(features, (3, 3, 3), (1, 1, 1))),
        )
        return torch.cat(branches, dim=1)


class I3D(ClipNetwork):
    """Clips (B, T >= 9, 3, 224, 224), float in 0..255 -> pooled (B, 1024), logits (B, classes).

    pooled is the average pool of 2x7x7 windows, averaged over its steps in time: DVD-GAN's feature
    for FID ("avgpool", section 4.1); FVD takes the logits (Unterthiner et al. 2018).
    """

    value_range = "[-1, 1]"
    size = 224
    fewest_frames = 9

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv_1a = ConvUnit(3, 64, 7, stride=2)
        self.conv_2b = ConvUnit(64, 64, 1)
        self.conv_2c = ConvUnit(64, 192, 3)
        self.mixed = nn.ModuleDict({name: Mixed(*widths) for name, widths in WIDTHS.items()})
        self.logits = nn.Linear(FEATURES, classes)

    def mixed_5c(self, clips: Tensor) -> Tensor:
        """The last features before the head: (B, 1024, T / 8, H / 32, W / 32), rounded up."""
        features: Tensor = self.conv_1a(centred(clips).transpose(1, 2))
        features = pool_same(features, (1, 3, 3), (1, 2, 2))
        features = self.conv_2c(self.conv_2b(features))
        features = pool_same(features, (1, 3, 3), (1, 2, 2))
        for name, module in self.mixed.items():
            if name == "mixed_4b":
                features = pool_same(features, (3, 3, 3), (2, 2, 2))
            elif name == "mixed_5b":
                features = pool_same(features, (2, 2, 2), (2, 2, 2))
            features = module(features)
        return features

    def forward(self, clips: Tensor) -> Activations:
        windows = functional.avg_pool3d(self.mixed_5c(clips), (2, 7, 7), stride=1)
        pooled = windows.mean(dim=(2, 3, 4))
        # The mean over time of the windows' logits: they are linear in the windows.
        return Activations(pooled, self.logits(pooled))
