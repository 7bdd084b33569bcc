"""SmallI3D: an inflated-Inception video classifier, small enough to train on the data set itself.

The paper measures with an I3D trained on Kinetics-600, its own data set (section 4.1); this network
has I3D's shape (Carreira & Zisserman 2017): a 3-D stem, pooling first in space and then in time,
Inception modules of four branches, a global average, linear logits.
"""

import torch
from torch import Tensor, nn

from dvdgan.evaluation.networks.clip_network import Activations, ClipNetwork, centred


class ConvUnit(nn.Sequential):
    """3-D convolution without bias, batch norm, ReLU: (B, in, T, H, W) -> (B, out, T', H', W').

    ``stride`` acts in space alone.
    """

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv3d(inputs, outputs, size, (1, stride, stride), padding=size // 2, bias=False),
            nn.BatchNorm3d(outputs, eps=1e-3),
            nn.ReLU(inplace=True),
        )


class Inception(nn.Module):
    """I3D's module: 1x1x1; 1x1x1 then 3x3x3, twice; pool then 1x1x1; joined in channels.

    (B, inputs, T, H, W) -> (B, outputs, T, H, W); the widths keep GoogLeNet's 2 : 4 : 1 : 1.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        quarter, half, eighth = outputs // 4, outputs // 2, outputs // 8
        self.point = ConvUnit(inputs, quarter, 1)
        self.wide = nn.Sequential(ConvUnit(inputs, quarter, 1), ConvUnit(quarter, half, 3))
        self.narrow = nn.Sequential(ConvUnit(inputs, eighth, 1), ConvUnit(eighth, eighth, 3))
        self.pooled = nn.Sequential(nn.MaxPool3d(3, 1, 1), ConvUnit(inputs, eighth, 1))

    def forward(self, features: Tensor) -> Tensor:
        branches = (self.point, self.wide, self.narrow, self.pooled)
        return torch.cat([branch(features) for branch in branches], dim=1)


class SmallI3D(ClipNetwork):
    """Clips (B, T >= 2, 3, H, W), float in 0..255, 32 to 128 px -> Activations.

    ``width`` is the number of channels of the stem, an even number; the pooled feature has eight
    times as many.
    """

    value_range = "[-1, 1]"
    size = None
    fewest_frames = 2

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvUnit(3, width, 3, stride=2),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            Inception(width, 4 * width),
            nn.MaxPool3d(3, 2, 1),
            Inception(4 * width, 8 * width),
            Inception(8 * width, 8 * width),
        )
        self.head = nn.Linear(8 * width, classes)

    def forward(self, clips: Tensor) -> Activations:
        pooled = self.body(centred(clips).transpose(1, 2)).mean(dim=(2, 3, 4))
        return Activations(pooled, self.head(pooled))
