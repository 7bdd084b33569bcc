"""Clips in one array: .npy, .npz, .pt or .safetensors, their layout and range asserted."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from dvdgan.data.sources.array_reading import read_arrays
from dvdgan.data.sources.clip_source import NO_CLASS, SourceClips
from dvdgan.errors import UserError
from dvdgan.storage.local import sha256_of_file
from dvdgan.video.preprocessing import AxisOrder, Preprocessing, Side, ValueRange

LAYOUTS: tuple[AxisOrder, ...] = get_args(AxisOrder)

RANGES: dict[ValueRange, tuple[float, float]] = {
    "[-1, 1]": (-1.0, 1.0),
    "[0, 1]": (0.0, 1.0),
    "[0, 255]": (0.0, 255.0),
}
SIGNED: ValueRange = "[-1, 1]"

CHUNK_CLIPS = 64

# Grey, RGB, RGB and alpha.
CHANNELS = (1, 3, 4)


class ArrayFile:
    """The clips of one array, read from the file on demand where it can be mapped.

    uint8 is taken as it is. Floats are scaled linearly from ``value_range`` (a key of RANGES;
    None: [-1, 1], which they must then reach below 0 to prove) to 0..255 and rounded half to even,
    as `dvdgan sample` rounds. Grey clips (1 channel) become RGB by repetition; a fourth channel
    (alpha) is dropped where it is the same everywhere. All values are checked once, here.
    ``side`` names the options that errors advise. Raises UserError for any other type or shape,
    clips that are not square, an alpha that varies, an ambiguous layout or range, NaN and infinity.
    """

    classes = None

    def __init__(
        self,
        path: Path,
        layout: AxisOrder | None = None,
        value_range: ValueRange | None = None,
        side: Side = "generated",
    ) -> None:
        self.path = path
        array, self.numbers = read_arrays(path)
        self._fitting = fitting_layouts(tuple(array.shape))
        self._layout = layout or _only_layout(path, array, self._fitting, side)
        channel_axis = self._layout.index("C")
        channels, height, width = (array.shape[self._layout.index(axis)] for axis in "CHW")
        if channels not in CHANNELS or height != width or 0 in array.shape:
            raise UserError(
                f"as {self._layout}, the array holds {array.shape[0]} clips of "
                f"{array.shape[self._layout.index('T')]} frames, {channels} channels, "
                f"{width}x{height} pixels",
                where=str(path),
                todo=f"give square clips of 1, 3 or 4 channels, or another --{side}-layout",
            )
        if channels == 4:
            _refuse_varying(path, array.select(channel_axis, 3))
            array = array.narrow(channel_axis, 0, 3)
        self._array = array.permute(*(self._layout.index(axis) for axis in "NTCHW"))
        self._range = _checked_range(path, array, value_range, side)

    @property
    def shape(self) -> tuple[int, int]:
        return self._array.shape[1], self._array.shape[3]

    @property
    def preprocessing(self) -> Preprocessing:
        return Preprocessing(
            levels=None if self._range == SIGNED else self._range,
            layout=None if self._fitting == [self._layout] else self._layout,
        )

    def __len__(self) -> int:
        return len(self._array)

    def read(self, start: int, stop: int) -> SourceClips:
        """Clips start..stop - 1; none is ever refused."""
        clips = self._array[start:stop]
        if self._range is not None:
            low, high = RANGES[self._range]
            clips = ((clips.float() - low) * (255 / (high - low))).round().to(torch.uint8)
        if clips.shape[2] == 1:
            clips = clips.expand(-1, -1, 3, -1, -1)
        labels = (
            torch.full((len(clips),), NO_CLASS, dtype=torch.int64)
            if self.numbers is None
            else self.numbers[start:stop]
        )
        return SourceClips(clips.contiguous(), labels, [])

    def fingerprint(self) -> str:
        """Of the file's bytes, the layout and the range."""
        return f"{sha256_of_file(self.path)} {self._layout} {self._range}"


def fitting_layouts(shape: tuple[int, ...]) -> list[AxisOrder]:
    """Those that give 3 channels; where there are none, 1 or 4 channels and square frames."""
    sizes = {layout: dict(zip(layout, shape, strict=True)) for layout in LAYOUTS}
    colour = [layout for layout, size in sizes.items() if size["C"] == 3]
    return colour or [
        layout for layout, size in sizes.items() if size["C"] in CHANNELS and size["H"] == size["W"]
    ]


def _only_layout(path: Path, array: Tensor, fitting: list[AxisOrder], side: Side) -> AxisOrder:
    if len(fitting) == 1:
        return fitting[0]
    shape = tuple(array.shape)
    which = " and ".join(fitting)
    raise UserError(
        f"an array of shape {shape} can be read as {which}"
        if fitting
        else f"an array of shape {shape} has no possible axis of 3 channels, and none of 1 or 4 "
        "with square frames",
        where=str(path),
        todo=f"set its axes with --{side}-layout {' | '.join(fitting or LAYOUTS)}",
    )


def _refuse_varying(path: Path, alpha: Tensor) -> None:
    """Raise UserError if the fourth channel is not the same everywhere."""
    least, most = _extremes(path, alpha)
    if least != most:
        raise UserError(
            f"the fourth channel (alpha) goes from {least:g} to {most:g}",
            where=str(path),
            todo="blend the clips with a background and save the resulting 3 channels",
        )


def _checked_range(
    path: Path, array: Tensor, requested: ValueRange | None, side: Side
) -> ValueRange | None:
    """The range of float clips, asserted; None for uint8. Raises UserError."""
    if array.dtype == torch.uint8:
        if requested is not None:
            raise UserError(
                "uint8 clips always have the range 0..255",
                where=str(path),
                todo=f"leave out --{side}-range",
            )
        return None
    if not array.dtype.is_floating_point:
        raise UserError(
            f"clips are uint8 or floats, not {str(array.dtype).removeprefix('torch.')}",
            where=str(path),
            todo="convert levels 0..255 to uint8",
        )
    least, most = _extremes(path, array)
    found = f"the values go from {least:g} to {most:g}"
    low, high = RANGES[requested or SIGNED]
    if least < low or most > high:
        likely = [name for name, (a, b) in RANGES.items() if a <= least and most <= b]
        raise UserError(
            f"float clips must lie in {requested or SIGNED}, but {found}",
            where=str(path),
            todo=f'set the range, for instance --{side}-range "{likely[0]}"'
            if likely
            else "clip them if they overshoot, or scale them",
        )
    if requested is None and least >= 0:
        raise UserError(
            f"{found}, which may be all of [0, 1] or the bright half of [-1, 1]",
            where=str(path),
            todo=f'set --{side}-range "[0, 1]" or --{side}-range "[-1, 1]"',
        )
    return requested or SIGNED


def _extremes(path: Path, array: Tensor) -> tuple[float, float]:
    least, most = np.inf, -np.inf
    for first, chunk in _chunks(array):
        finite = torch.isfinite(chunk)
        if not finite.all():
            place = torch.nonzero(~finite)[0]
            value = float(chunk[tuple(place)])
            place[0] += first
            raise UserError(
                f"the value at {tuple(place.tolist())} is {value}",
                where=str(path),
                todo="check the program that wrote the clips: features need finite values",
            )
        least, most = min(least, float(chunk.min())), max(most, float(chunk.max()))
    return least, most


def _chunks(array: Tensor) -> Iterator[tuple[int, Tensor]]:
    for first in range(0, len(array), CHUNK_CLIPS):
        yield first, array[first : first + CHUNK_CLIPS]
