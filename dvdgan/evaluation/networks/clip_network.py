"""The interface of feature networks: RGB clips in, a pooled feature and logits out."""

from typing import ClassVar, NamedTuple

from torch import Tensor, nn


class Activations(NamedTuple):
    """Outputs of a network: pooled (B, features) and logits (B, classes)."""

    pooled: Tensor
    logits: Tensor


class ClipNetwork(nn.Module):
    """Clips (B, T, 3, H, W) float32 RGB in 0..255 -> Activations.

    Pixel values are those of the files; each network maps them to its own range.
    """

    value_range: ClassVar[str]
    """The range of its training, as text for the metrics' names."""
    size: ClassVar[int | None]
    """Height and width of its input, px; None: any."""
    fewest_frames: ClassVar[int]

    def forward(self, clips: Tensor) -> Activations:
        raise NotImplementedError

    def __call__(self, clips: Tensor) -> Activations:  # typed, unlike nn.Module's
        activations: Activations = super().__call__(clips)
        return activations


def centred(clips: Tensor) -> Tensor:
    """Levels 0..255 -> [-1, 1], the range of I3D."""
    return clips / 127.5 - 1
