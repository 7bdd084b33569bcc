"""The dual discriminator: D_S judges frames, D_T judges motion (paper 3.1, A.2)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dvdgan.models import spectral, widths
from dvdgan.models.residual import DiscriminatorBlock
from dvdgan.models.views import pool_space, take_frames

# D_T's first residual blocks have 3-D convolutions.
THREE_DIMENSIONAL_BLOCKS = 2


class ProjectionHead(nn.Module):
    """Class-conditional score: linear(h) + <e(y), h> (Miyato & Koyama 2018).

    h: (B, C), labels: (B,) -> logits (B,).
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.linear = spectral.linear(channels, 1)
        self.embedding = spectral.embedding(classes, channels)

    def forward(self, h: Tensor, labels: Tensor) -> Tensor:
        unconditional: Tensor = self.linear(h).squeeze(1)
        projection: Tensor = self.embedding(labels) * h
        return unconditional + projection.sum(dim=1)


class SpatialDiscriminator(nn.Module):
    """D_S: BigGAN's discriminator on every given frame alone, scores summed over the frames.

    frames: (B, k, 3, H, W) in [-1, 1], labels: (B,) -> logits (B,).
    """

    def __init__(self, classes: int, resolution: int, channels: int) -> None:
        super().__init__()
        constants = [channels * constant for constant in widths.DISCRIMINATOR[resolution]]
        self.blocks = nn.Sequential(*_blocks(constants, three_dimensional=0))
        self.head = ProjectionHead(constants[-1], classes)

    def forward(self, frames: Tensor, labels: Tensor) -> Tensor:
        B, k = frames.shape[:2]
        h = torch.relu(self.blocks(frames.flatten(0, 1))).sum(dim=(2, 3))
        scores: Tensor = self.head(h, labels.repeat_interleave(k))
        return scores.view(B, k).sum(dim=1)


class TemporalDiscriminator(nn.Module):
    """D_T: two 3-D residual blocks, then BigGAN's 2-D blocks on every time step alone.

    video: (B, T, 3, H, W) in [-1, 1], already pooled by phi; labels: (B,) -> logits (B,).
    The head sum-pools over time and space.
    """

    def __init__(self, classes: int, resolution: int, channels: int) -> None:
        super().__init__()
        constants = [channels * constant for constant in widths.DISCRIMINATOR[resolution]]
        blocks = _blocks(constants, three_dimensional=THREE_DIMENSIONAL_BLOCKS)
        self.blocks_3d = nn.Sequential(*blocks[:THREE_DIMENSIONAL_BLOCKS])
        self.blocks_2d = nn.Sequential(*blocks[THREE_DIMENSIONAL_BLOCKS:])
        self.head = ProjectionHead(constants[-1], classes)

    def forward(self, video: Tensor, labels: Tensor) -> Tensor:
        h = self.blocks_3d(video.movedim(2, 1)).movedim(1, 2)  # (B, T', C, H', W')
        B, T = h.shape[:2]
        h = torch.relu(self.blocks_2d(h.flatten(0, 1))).sum(dim=(2, 3))
        scores: Tensor = self.head(h.view(B, T, -1).sum(dim=1), labels)
        return scores


class Scores(NamedTuple):
    """Logits (B,) of D_S and of D_T."""

    spatial: Tensor
    temporal: Tensor


class Discriminators(nn.Module):
    """D_S and D_T together, each with its own view of the video.

    video: (B, T, 3, H, W) in [-1, 1]; labels: (B,); frame_indices: (B, k), the frames D_S sees.
    """

    def __init__(self, classes: int, resolution: int, channels: int) -> None:
        super().__init__()
        self.spatial = SpatialDiscriminator(classes, resolution, channels)
        self.temporal = TemporalDiscriminator(classes, resolution, channels)

    def forward(self, video: Tensor, labels: Tensor, frame_indices: Tensor) -> Scores:
        return Scores(
            self.spatial(take_frames(video, frame_indices), labels),
            self.temporal(pool_space(video), labels),
        )


def _blocks(constants: list[int], three_dimensional: int) -> list[nn.Module]:
    """One block per constant; the last keeps the resolution, all others halve it."""
    return [
        DiscriminatorBlock(
            channels_in,
            channels_out,
            dimensions=3 if number < three_dimensional else 2,
            first=number == 0,
            downsample=number < len(constants) - 1,
        )
        for number, (channels_in, channels_out) in enumerate(
            zip([3, *constants], constants, strict=False)
        )
    ]
