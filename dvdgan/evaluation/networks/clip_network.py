"""What every feature network is: RGB clips go in, a pooled feature and logits come out."""

from typing import ClassVar, NamedTuple

from torch import Tensor, nn


class Activations(NamedTuple):
    """What a network says of clips: pooled (B, features) and logits (B, classes)."""

    pooled: Tensor
    logits: Tensor


class ClipNetwork(nn.Module):
    """Clips (B, T, 3, H, W) float32 RGB in 0..255 -> Activations.

    The levels are those of the files; each network maps them to its own range itself, so that
    nobody else can get it wrong.
    """

    value_range: ClassVar[str]
    """The range the network was trained in, in words, as protocols print it."""
    size: ClassVar[int | None]
    """Height and width it takes, px; None: any."""
    fewest_frames: ClassVar[int]

    def forward(self, clips: Tensor) -> Activations:
        raise NotImplementedError

    def __call__(self, clips: Tensor) -> Activations:  # typed, unlike nn.Module's
        activations: Activations = super().__call__(clips)
        return activations


def centred(clips: Tensor) -> Tensor:
    """Levels 0..255 -> [-1, 1], the range of I3D."""
    return clips / 127.5 - 1
