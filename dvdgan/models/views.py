"""What each discriminator gets to see of a video (paper 3.1)."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d


def draw_frames(clips: int, frames: int, k: int, generator: torch.Generator) -> Tensor:
    """Draw k different frames of each clip, uniformly: indices (clips, k) in 0..frames-1."""
    return torch.rand(clips, frames, generator=generator).argsort(dim=1)[:, :k]


def take_frames(video: Tensor, indices: Tensor) -> Tensor:
    """D_S's view: video (B, T, 3, H, W), indices (B, k) -> (B, k, 3, H, W), full resolution."""
    rows = torch.arange(len(video), device=video.device)[:, None]
    return video[rows, indices]


def pool_space(video: Tensor) -> Tensor:
    """D_T's view, phi: 2x2 average pooling, (B, T, 3, H, W) -> (B, T, 3, H/2, W/2)."""
    pooled = avg_pool2d(video.flatten(0, 1), 2)
    return pooled.view(*video.shape[:2], *pooled.shape[1:])
