"""What every source of clips is: a number of places, any range of which can be read alone."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from torch import Tensor

from dvdgan.video.preprocessing import Preprocessing, TemporalWindow

# The label of a clip of which no class is known.
NO_CLASS = -1


class SourceClips(NamedTuple):
    """The clips at some places of a source."""

    clips: Tensor
    """(N, T, 3, H, W) uint8 RGB in 0..255."""
    labels: Tensor
    """(N,) int64 into the source's classes; NO_CLASS where none is known."""
    refused: list[str]
    """Places that gave no clip, and why; N plus their number are the requested places."""


class ClipSource(Protocol):
    """Clips that can be read in any order, by any process, always the same ones."""

    @property
    def classes(self) -> list[str] | None:
        """Names by label; None: labels are the feature network's own, or unknown."""

    @property
    def numbers(self) -> Tensor | None:
        """(N,) labels that a file numbers as the feature network does; None if it has none."""

    @property
    def shape(self) -> tuple[int, int]:
        """Frames T, and height = width in pixels, of every clip."""

    @property
    def preprocessing(self) -> Preprocessing:
        """What is done to make clips of what holds them."""

    def __len__(self) -> int:
        """Places, refused ones included."""

    def read(self, start: int, stop: int) -> SourceClips:
        """The clips at places start..stop - 1. Raises UserError if a set cannot be measured."""

    def fingerprint(self) -> str:
        """Equal for sources that give equal clips; differs as soon as their data are changed."""


@dataclass(frozen=True)
class Windowing:
    """Which frames of a longer video make its clip."""

    frames: int
    stride: int = 1
    window: TemporalWindow = "first"

    @property
    def span(self) -> int:
        """Consecutive source frames a clip covers."""
        return (self.frames - 1) * self.stride + 1

    def start(self, length: int, place: int) -> int:
        """Where the clip of the video at ``place`` begins, of ``length`` >= span frames."""
        starts = length - self.span + 1
        if self.window == "centre":
            return starts // 2
        if self.window == "random":
            return int(np.random.default_rng([0, place]).integers(starts))
        return 0
