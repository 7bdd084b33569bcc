"""Sampled clips arranged for a person's eye: enlarged, captioned, side by side or in turn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.video.caption import caption, caption_height
from dvdgan.video.frame import Frame
from dvdgan.video.grid import BACKGROUND, film_strip, video_grid

# The longest side of a picture that H.264 and WebP can hold, pixels.
LONGEST_SIDE = 16_383
# Grey pixels between pictures.
PAD = 2


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
        cell = side * self.scale + PAD
        rows, columns = -(-count // self.columns), 1 if self.in_turn else self.columns
        above = caption_height(side * self.scale) + PAD if self.captions else 0
        longest = max(rows * (cell + above), columns * cell) + PAD
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
        for time in range(length * (self.columns if self.in_turn else 1)):
            turn, moment = divmod(time, length)
            rows = [
                [first + turn + column for column in range(columns)]
                for first in range(0, len(pixels), self.columns)
            ]
            cells = np.stack([[self._cell(pixels, clip, moment) for clip in row] for row in rows])
            given = moment < samples.given
            if self.captions:
                yield np.concatenate(
                    [
                        self._captioned(
                            [_text(samples, clip) for clip in row], shown, columns * given
                        )
                        for row, shown in zip(rows, cells, strict=True)
                    ]
                )
            else:
                yield video_grid(cells[:, :, None], PAD, int(given))[0]

    def strip(self, samples: CaptionedClips) -> Frame:
        """One image (H', W', 3) uint8: a row per clip, time to the right."""
        pixels = samples.pixels
        clips = [np.stack([self._enlarged(frame) for frame in clip]) for clip in pixels]
        if not self.captions:
            return film_strip(np.stack(clips), pad=PAD, given=samples.given)
        return np.concatenate(
            [
                self._captioned([text] * len(clip), clip, samples.given)
                for text, clip in zip(samples.captions, clips, strict=True)
            ]
        )

    def _captioned(self, texts: Sequence[str], cells: Frame, given: int) -> Frame:
        """A row of pictures, (columns, H, W, 3), below their texts; equal neighbours share one.

        The first ``given`` have a blue border.
        """
        side = cells.shape[2]
        above = [
            caption(text, len(list(equal)) * (side + PAD), side) for text, equal in groupby(texts)
        ]
        edge = np.full((above[0].shape[0], PAD, 3), 255, np.uint8)
        row = film_strip(cells[None], pad=PAD, given=given)
        return np.concatenate([np.concatenate([edge, *above], axis=1), row])

    def _cell(self, pixels: NDArray[np.uint8], clip: int, moment: int) -> Frame:
        """An enlarged frame; grey where the last row has no clip."""
        if clip >= len(pixels):
            return self._enlarged(np.full_like(pixels[0, 0], BACKGROUND))
        return self._enlarged(pixels[clip, moment])

    def _enlarged(self, frame: Frame) -> Frame:
        return np.ascontiguousarray(frame.repeat(self.scale, 0).repeat(self.scale, 1))


def _text(samples: CaptionedClips, clip: int) -> str:
    return samples.captions[clip] if clip < len(samples.captions) else ""
