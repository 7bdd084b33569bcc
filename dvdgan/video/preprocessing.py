"""What was done to make clips of the files that hold them."""

from dataclasses import dataclass
from typing import Literal

Window = Literal["first", "centre", "random", "even"]
Framing = Literal["whole", "resized", "cropped"]


@dataclass(frozen=True)
class Preprocessing:
    """The defaults: clips were taken as they are, from the beginning of each file."""

    stride: int = 1
    """Source frames from one clip frame to the next."""
    window: Window = "first"
    """Part of a longer video; even: several clips of each, evenly spaced in time."""
    framing: Framing = "whole"
    """whole: the frames, or the centre square of stored ones; resized: short side resized, then the
    centre cropped; cropped: the centre of larger frames."""
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
