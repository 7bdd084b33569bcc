"""Sampled clips arranged for a person's eye: enlarged, captioned, side by side or in turn."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.video.caption import caption
from dvdgan.video.frame import Frame
from dvdgan.video.grid import BACKGROUND, film_strip, video_grid

# The longest side of a picture that H.264 and WebP can hold, pixels.
LONGEST_SIDE = 16_383


@dataclass(frozen=True)
class CaptionedClips:
    """Sampled clips and what each is of."""

    clips: Tensor
    """uint8 (N, T, 3, H, W)."""
    captions: list[str]
    """N, such as the class."""
    labels: list[int]
    """N numbers of classes."""
    fps: float
    given: int = 0
    """Frames at the start of each clip that were given to the model."""
    rows: int = 1
    """Of how many equal rows the clips are, such as one of each class."""

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """uint8 (N, T, H, W, 3)."""
        pixels: NDArray[np.uint8] = self.clips.permute(0, 1, 3, 4, 2).numpy()
        return pixels

    def only(self, number: int) -> "CaptionedClips":
        """One of the clips."""
        return CaptionedClips(
            self.clips[number : number + 1],
            self.captions[number : number + 1],
            self.labels[number : number + 1],
            self.fps,
            self.given,
        )


@dataclass(frozen=True)
class SampleGrid:
    """How clips become one picture or video."""

    columns: int
    """Clips in a row."""
    scale: int = 1
    """Screen pixels for a pixel, in height and in width (nearest neighbour)."""
    captions: bool = True
    in_turn: bool = False
    """A row's clips follow one another in one cell, instead of lying side by side."""

    def check(self, count: int, side: int) -> None:
        """Raise UserError if ``count`` clips of ``side`` pixels make too large a picture."""
        rows = -(-count // self.columns)
        longest = max(rows, 1 if self.in_turn else self.columns) * (side * self.scale + 2)
        if longest > LONGEST_SIDE:
            raise UserError(
                f"{count} clips in rows of {self.columns}, scaled by {self.scale}, make a picture "
                f"of {longest:,} pixels; a video can have {LONGEST_SIDE:,}",
                todo="choose fewer clips, a smaller --scale, another --grid, or --each FORMAT",
            )

    def frames(self, samples: CaptionedClips) -> Iterator[Frame]:
        """The frames of one video of all clips, (H', W', 3) uint8.

        A single clip without a caption is shown as it is. Given frames have a blue border.
        """
        pixels, length = samples.pixels, samples.clips.shape[1]
        if len(pixels) == 1 and not self.captions:
            yield from (self._enlarged(frame) for frame in pixels[0])
            return
        columns = 1 if self.in_turn else self.columns
        rows = -(-len(pixels) // self.columns)
        for time in range(length * (self.columns if self.in_turn else 1)):
            turn, moment = divmod(time, length)
            cells = [
                self._cell(samples, pixels, row * self.columns + column + turn, moment)
                for row in range(rows)
                for column in range(columns)
            ]
            sheet = np.stack(cells).reshape(rows, columns, 1, *cells[0].shape)
            yield video_grid(sheet, given=int(moment < samples.given))[0]

    def strip(self, samples: CaptionedClips) -> Frame:
        """One image (H', W', 3) uint8: a row per clip, time to the right."""
        pixels = samples.pixels
        cells = [
            [self._cell(samples, pixels, clip, moment) for moment in range(pixels.shape[1])]
            for clip in range(len(pixels))
        ]
        return film_strip(np.stack([np.stack(row) for row in cells]), given=samples.given)

    def _cell(
        self, samples: CaptionedClips, pixels: NDArray[np.uint8], clip: int, moment: int
    ) -> Frame:
        """A frame, enlarged and under its caption; white where the last row has no clip."""
        empty = clip >= len(pixels)
        frame = np.full_like(pixels[0, 0], BACKGROUND) if empty else pixels[clip, moment]
        enlarged = self._enlarged(frame)
        if not self.captions:
            return enlarged
        text = "" if empty else samples.captions[clip]
        return np.concatenate([caption(text, enlarged.shape[1]), enlarged])

    def _enlarged(self, frame: Frame) -> Frame:
        return np.ascontiguousarray(frame.repeat(self.scale, 0).repeat(self.scale, 1))
