"""What D_S and D_T see of a video: k of its frames, and phi of all of them (paper 3.1, 4.3)."""

from collections.abc import Callable
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from dvdgan.models.architecture import Phi


class Views(NamedTuple):
    """The random part of what D_S and D_T see of a batch of clips."""

    frames: Tensor
    """(B, k) int64: the frames D_S sees, different ones of each clip."""
    corners: Tensor
    """(B, 2) in [0, 1): where phi = random_half_crop cuts, as fractions of the room there is."""

    def to(self, device: torch.device) -> "Views":
        return Views(self.frames.to(device), self.corners.to(device))

    def rows(self, chosen: slice) -> "Views":
        """The views of some of the clips."""
        return Views(self.frames[chosen], self.corners[chosen])

    @classmethod
    def join(cls, *parts: Self) -> "Views":
        """The views of several batches, one after another."""
        frames, corners = zip(*parts, strict=True)
        return Views(torch.cat(frames), torch.cat(corners))


def draw_views(clips: int, frames: int, k: int, generator: torch.Generator) -> Views:
    """Draw k different frames of each clip, uniformly, and a place for a crop.

    Raises ValueError unless 1 <= k <= frames.
    """
    if not 1 <= k <= frames:
        raise ValueError(f"D_S cannot see {k} different frames of a clip of {frames}")
    indices = torch.rand(clips, frames, generator=generator).argsort(dim=1)[:, :k]
    return Views(indices, torch.rand(clips, 2, generator=generator))


def take_frames(video: Tensor, indices: Tensor) -> Tensor:
    """D_S's view: video (B, T, 3, H, W), indices (B, k) -> (B, k, 3, H, W), full resolution."""
    rows = torch.arange(len(video), device=video.device)[:, None]
    return video[rows, indices]


def pool_space(video: Tensor, size: int) -> Tensor:
    """Average pooling of space: (B, T, 3, H, W) -> (B, T, 3, H/size, W/size)."""
    pooled = avg_pool2d(video.flatten(0, 1), size)
    return pooled.view(*video.shape[:2], *pooled.shape[1:])


def crop_half(video: Tensor, corners: Tensor) -> Tensor:
    """A half-size window of each clip, the same in all its frames, anywhere it fits.

    video: (B, T, 3, H, W), corners: (B, 2) in [0, 1) -> (B, T, 3, H/2, W/2).
    """
    B, _, _, H, W = video.shape
    height, width = H // 2, W // 2
    top = (corners[:, 0] * (H - height + 1)).long()
    left = (corners[:, 1] * (W - width + 1)).long()
    rows = top[:, None] + torch.arange(height, device=video.device)  # (B, H/2)
    columns = left[:, None] + torch.arange(width, device=video.device)
    clips = torch.arange(B, device=video.device)[:, None, None]
    # Indexed dimensions come first: (B, H/2, W/2, T, 3).
    return video[clips, :, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 4, 1, 2)


# phi, D_T's view of a video: (video, corners of random crops) -> view.
PHI: dict[Phi, Callable[[Tensor, Tensor], Tensor]] = {
    "average_pool_2x2": lambda video, _: pool_space(video, 2),
    "average_pool_4x4": lambda video, _: pool_space(video, 4),
    "identity": lambda video, _: video,
    "random_half_crop": crop_half,
}
