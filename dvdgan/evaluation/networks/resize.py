"""Resize rules of FVD scripts, by name: the rule changes the metric, so its name contains it.

All take float values 0..255, resize each side to the network's size regardless of the aspect ratio,
and do not antialias.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Rule = Callable[[Tensor, int], Tensor]


def resize(clips: Tensor, size: int, rule: str) -> Tensor:
    """Resize clips (B, T, 3, H, W) float32 to (B, T, 3, size, size) by one of RULES."""
    frames = RULES[rule](clips.flatten(0, 1), size)
    return frames.reshape(*clips.shape[:2], *frames.shape[1:])


def _none(frames: Tensor, size: int) -> Tensor:
    return frames


def _bilinear_legacy(frames: Tensor, size: int) -> Tensor:
    """TensorFlow 1's resize_bilinear as FVD's authors call it: output i reads at i * in / out."""
    for axis in (2, 3):
        length = frames.shape[axis]
        # In float32 as TensorFlow computes it.
        place = torch.arange(size, device=frames.device, dtype=torch.float32) * (length / size)
        low = place.long().clamp(max=length - 1)
        high = (low + 1).clamp(max=length - 1)
        share = (place - low).unsqueeze(1) if axis == 2 else place - low
        one, other = frames.index_select(axis, low), frames.index_select(axis, high)
        frames = one + (other - one) * share
    return frames


def _interpolated(mode: str, align_corners: bool) -> Rule:
    def rule(frames: Tensor, size: int) -> Tensor:
        return functional.interpolate(
            frames, (size, size), mode=mode, align_corners=align_corners, antialias=False
        )

    return rule


RULES: dict[str, Rule] = {
    "none": _none,
    "bilinear_legacy": _bilinear_legacy,
    # Pixel centres at half integers: torch's and OpenCV's bilinear.
    "bilinear": _interpolated("bilinear", align_corners=False),
    "bilinear_align_corners": _interpolated("bilinear", align_corners=True),
    # OpenCV's INTER_CUBIC: half-pixel centres, a = -0.75. It overshoots 0..255, as in TGAN.
    "bicubic": _interpolated("bicubic", align_corners=False),
}
