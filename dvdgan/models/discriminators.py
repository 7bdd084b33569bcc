"""The dual discriminator: D_S judges frames, D_T judges motion (paper 3.1, A.2)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dvdgan.models import spectral
from dvdgan.models.architecture import Blocks, DiscriminatorArchitecture
from dvdgan.models.tower import FrameTower, layer_widths, stages
from dvdgan.models.views import PHI, Views, take_frames

# D_T's first residual blocks have 3-D convolutions.
THREE_DIMENSIONAL_BLOCKS = 2


class ProjectionHead(nn.Module):
    """Class-conditional score: linear(h) + <e(y), h> (Miyato & Koyama 2018).

    h: (B, C), labels: (B,) -> logits (B,). ``classes`` 0: linear(h) alone.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.linear = spectral.linear(channels, 1)
        self.embedding = spectral.embedding(classes, channels) if classes else None

    def forward(self, h: Tensor, labels: Tensor) -> Tensor:
        score: Tensor = self.linear(h).squeeze(1)
        if self.embedding is None:
            return score
        projection: Tensor = self.embedding(labels) * h
        return score + projection.sum(dim=1)


class SpatialDiscriminator(nn.Module):
    """D_S: BigGAN's discriminator on every given frame alone, scores summed over the frames.

    frames: (B, k, 3, H, W) in [-1, 1], labels: (B,) -> logits (B,).
    """

    def __init__(
        self, classes: int, resolution: int, channels: int, blocks: Blocks = "biggan"
    ) -> None:
        super().__init__()
        self.tower = FrameTower(resolution, channels, blocks)
        self.head = ProjectionHead(layer_widths(resolution, channels)[-1], classes)

    def forward(self, frames: Tensor, labels: Tensor) -> Tensor:
        B, k = frames.shape[:2]
        h = torch.relu(self.tower(frames.flatten(0, 1))[-1]).sum(dim=(2, 3))
        scores: Tensor = self.head(h, labels.repeat_interleave(k))
        return scores.view(B, k).sum(dim=1)


class TemporalDiscriminator(nn.Module):
    """D_T: two 3-D residual blocks, then BigGAN's 2-D blocks on every time step alone.

    video: (B, T, 3, H, W) in [-1, 1], already seen through phi; labels: (B,) -> logits (B,).
    The head sum-pools over time and space.
    """

    def __init__(
        self,
        classes: int,
        resolution: int,
        channels: int,
        blocks: Blocks = "biggan",
        three_dimensional: int = THREE_DIMENSIONAL_BLOCKS,
    ) -> None:
        super().__init__()
        constants = layer_widths(resolution, channels)
        made = stages(constants, blocks, three_dimensional)
        in_3d = three_dimensional if blocks == "biggan" else three_dimensional // 2
        self.stages_3d = nn.Sequential(*made[:in_3d])
        self.stages_2d = nn.Sequential(*made[in_3d:])
        self.head = ProjectionHead(constants[-1], classes)

    def forward(self, video: Tensor, labels: Tensor) -> Tensor:
        h = self.stages_3d(_channels_last(video.movedim(2, 1))).movedim(1, 2)  # (B, T', C, H', W')
        B, T = h.shape[:2]
        h = torch.relu(self.stages_2d(h.flatten(0, 1))).sum(dim=(2, 3))
        scores: Tensor = self.head(h.view(B, T, -1).sum(dim=1), labels)
        return scores


def _channels_last(video: Tensor) -> Tensor:
    """(B, 3, T, H, W) with the channels of a pixel side by side, as convolutions work faster."""
    if video.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        # Of 75 shapes in bfloat16 torch 2.13 left parts of the derivative of 14 weights unwritten.
        return video.contiguous()
    return video.contiguous(memory_format=torch.channels_last_3d)


class Scores(NamedTuple):
    """Logits (B,) of D_S and of D_T; None if the ablation leaves one out."""

    spatial: Tensor | None
    temporal: Tensor | None

    def given(self) -> dict[str, Tensor]:
        """The scores there are, by the discriminator's name."""
        return {name: logits for name, logits in self._asdict().items() if logits is not None}


class Discriminators(nn.Module):
    """D_S and D_T together, each with its own view of the video.

    video: (B, T, 3, H, W) in [-1, 1]; labels: (B,); views: what was drawn for these clips.
    """

    def __init__(self, architecture: DiscriminatorArchitecture) -> None:
        super().__init__()
        a = architecture
        self.phi = PHI[a.phi]
        sizes = (a.classes, a.resolution, a.channels, a.blocks)
        self.spatial = None if a.kinds == "temporal" else SpatialDiscriminator(*sizes)
        self.temporal = None if a.kinds == "spatial" else TemporalDiscriminator(*sizes)

    def forward(self, video: Tensor, labels: Tensor, views: Views) -> Scores:
        spatial = temporal = None
        if self.spatial is not None:
            spatial = self.spatial(take_frames(video, views.frames), labels)
        if self.temporal is not None:
            temporal = self.temporal(self.phi(video, views.corners), labels)
        return Scores(spatial, temporal)
