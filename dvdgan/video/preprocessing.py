"""How clips are taken out of the files that hold them: the options of the command line.

Loads nothing, so that the command line starts fast.
"""

from dataclasses import dataclass
from typing import Literal

TemporalWindow = Literal["first", "centre", "random"]
"""Part of a longer video; random is drawn for each video by its place, and is always the same."""

Framing = Literal["whole", "resized", "cropped"]
"""whole: the frames, or the centre square of stored ones; resized: short side resized, then the
centre cropped; cropped: the centre of larger frames."""

Side = Literal["generated", "real"]
"""Which of two compared sets, as the names of options begin: --real-range."""

AxisOrder = Literal["NTHWC", "NTCHW", "NCTHW"]
"""Axes of an array, in its order: N clips, T frames, C channels, H height, W width."""

ValueRange = Literal["[-1, 1]", "[0, 1]", "[0, 255]"]
"""Lowest and highest level of float clips."""


@dataclass(frozen=True)
class Preprocessing:
    """The defaults: clips were taken as they are, from the beginning of each file."""

    stride: int = 1
    """Source frames from one clip frame to the next."""
    window: TemporalWindow | Literal["even"] = "first"
    """Part of a longer video; even: several clips of each, evenly spaced in time."""
    framing: Framing = "whole"
    levels: str | None = None
    """Range that floats were scaled from; None: uint8, or floats in [-1, 1]."""
    layout: str | None = None
    """Axes of an array, where its shape can be read in another way."""
    split: str | None = None
    """Of a shard set."""

    def __str__(self) -> str:
        """What differs from the defaults, such as `stride 2, centre window`; often empty."""
        done = [
            f"stride {self.stride}" if self.stride != 1 else "",
            f"{self.window} window" if self.window not in ("first", "even") else "",
            self.framing if self.framing != "whole" else "",
            f"levels {self.levels}" if self.levels else "",
            self.layout or "",
            f"{self.split} split" if self.split else "",
        ]
        return ", ".join(filter(None, done))


AS_THEY_ARE = Preprocessing()
