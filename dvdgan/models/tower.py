"""BigGAN's discriminator without its head: the tower of residual stages that D_S, D_T and the
encoder of conditioning frames are made of (paper A.2, A.4)."""

import torch
from torch import Tensor, nn

from dvdgan.models.architecture import DISCRIMINATOR_CONSTANTS, Blocks
from dvdgan.models.attention import SelfAttention
from dvdgan.models.residual import DeepDiscriminatorBlock, DiscriminatorBlock, convolution

# BigGAN's discriminator attends where its features are this large, if they ever are.
ATTENTION_RESOLUTION = 64


class FrameAttention(SelfAttention):
    """BigGAN's two-dimensional attention, on every frame alone. frames: (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, pooled=True)

    def forward(self, frames: Tensor) -> Tensor:
        attended: Tensor = super().forward(frames[:, None])[:, 0]
        return attended


class FrameTower(nn.ModuleList):
    """The stages of BigGAN's discriminator on single frames, with its attention at 64 x 64.

    frames: (N, 3, R, R) -> the features of every stage, [(N, C_i, R_i, R_i)]; the last is 4 x 4.
    """

    def __init__(self, resolution: int, channels: int, blocks: Blocks) -> None:
        constants = layer_widths(resolution, channels)
        modules = stages(constants, blocks, three_dimensional=0)
        for number, (stage, width) in enumerate(zip(modules, constants, strict=True)):
            if resolution >> (number + 1) == ATTENTION_RESOLUTION:
                stage.append(FrameAttention(width))
        super().__init__(modules)

    def forward(self, frames: Tensor) -> list[Tensor]:
        frames = frames.contiguous(memory_format=torch.channels_last)
        features = []
        for stage in self:
            frames = stage(frames)
            features.append(frames)
        return features


def layer_widths(resolution: int, channels: int) -> list[int]:
    """The channels of every stage at ``resolution``."""
    return [channels * constant for constant in DISCRIMINATOR_CONSTANTS[resolution]]


def stages(constants: list[int], blocks: Blocks, three_dimensional: int) -> list[nn.Sequential]:
    """A stage per constant; the last keeps the resolution, all others halve it.

    ``biggan``: a stage is one block. ``biggan_deep``: a block that halves and one that keeps, the
    first stage after a 3x3 convolution to its width. The first ``three_dimensional`` stages (for
    biggan_deep: half as many, so that as many blocks) convolve in three dimensions.
    """
    pairs = list(zip([3, *constants], constants, strict=False))
    last = len(pairs) - 1
    if blocks == "biggan":
        return [
            nn.Sequential(
                DiscriminatorBlock(
                    channels_in,
                    channels_out,
                    dimensions=3 if number < three_dimensional else 2,
                    first=number == 0,
                    downsample=number < last,
                )
            )
            for number, (channels_in, channels_out) in enumerate(pairs)
        ]
    made = []
    for number, (channels_in, channels_out) in enumerate(pairs):
        dimensions = 3 if number < three_dimensional // 2 else 2
        stem = [convolution(dimensions)(3, channels_out, 3)] if number == 0 else []
        width = channels_out if number == 0 else channels_in
        made.append(
            nn.Sequential(
                *stem,
                DeepDiscriminatorBlock(width, channels_out, dimensions, downsample=number < last),
                DeepDiscriminatorBlock(channels_out, channels_out, dimensions, downsample=False),
            )
        )
    return made
