"""Clips in one array: .npy, .npz, .pt or .safetensors, their layout and range asserted."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from dvdgan.data.sources.array_reading import read_arrays
from dvdgan.data.sources.choices import Layout, ValueRange
from dvdgan.data.sources.clip_source import NO_CLASS, Clips
from dvdgan.errors import UserError
from dvdgan.storage.local import sha256_of_file

LAYOUTS: tuple[Layout, ...] = get_args(Layout)

RANGES: dict[ValueRange, tuple[float, float]] = {
    "[-1, 1]": (-1.0, 1.0),
    "[0, 1]": (0.0, 1.0),
    "[0, 255]": (0.0, 255.0),
}
SIGNED: ValueRange = "[-1, 1]"

CHUNK_CLIPS = 64


class ArrayFile:
    """The clips of one array, read from the file as they are asked for where it can be mapped.

    uint8 is taken as it is. Floats are scaled linearly from ``value_range`` (a key of RANGES;
    None: [-1, 1], which they must then reach below 0 to prove) to 0..255 and rounded half to even,
    as `dvdgan sample` rounds. All values are looked at once, here. Raises UserError for any other
    type or shape, clips that are not square, an ambiguous layout or range, NaN and infinity.
    """

    classes = None
    stride = 1

    def __init__(
        self, path: Path, layout: Layout | None = None, value_range: ValueRange | None = None
    ) -> None:
        self.path = path
        array, self._labels = read_arrays(path)
        self._layout = layout or _layout_of(path, array)
        self._array = array.permute(*(self._layout.index(axis) for axis in "NTCHW"))
        channels, height, width = self._array.shape[2:]
        if channels != 3 or height != width or 0 in self._array.shape:
            raise UserError(
                f"as {self._layout}, the array holds {len(self._array)} clips of "
                f"{self._array.shape[1]} frames, {channels} channels, {width}x{height} pixels",
                where=str(path),
                todo="give square RGB clips, or another --layout",
            )
        self._range = _checked_range(path, array, value_range)

    @property
    def shape(self) -> tuple[int, int]:
        return self._array.shape[1], self._array.shape[3]

    def __len__(self) -> int:
        return len(self._array)

    def read(self, start: int, stop: int) -> Clips:
        """Clips start..stop - 1; none is ever refused."""
        clips = self._array[start:stop]
        if self._range is not None:
            low, high = RANGES[self._range]
            clips = ((clips.float() - low) * (255 / (high - low))).round().to(torch.uint8)
        labels = (
            torch.full((len(clips),), NO_CLASS, dtype=torch.int64)
            if self._labels is None
            else self._labels[start:stop]
        )
        return Clips(clips.contiguous(), labels, [])

    def fingerprint(self) -> str:
        """Of the file's bytes, the layout and the range."""
        return f"{sha256_of_file(self.path)} {self._layout} {self._range}"


def _layout_of(path: Path, array: Tensor) -> Layout:
    shape = tuple(array.shape)
    fitting = [layout for layout in LAYOUTS if shape[layout.index("C")] == 3]
    if len(fitting) == 1:
        return fitting[0]
    which = " and ".join(fitting)
    raise UserError(
        f"an array of shape {shape} can be read as {which}"
        if fitting
        else f"an array of shape {shape} has no axis of 3 channels where one can be",
        where=str(path),
        todo=f"say what its axes are: --layout {' | '.join(fitting or LAYOUTS)}",
    )


def _checked_range(path: Path, array: Tensor, asked: ValueRange | None) -> ValueRange | None:
    """The range of float clips, asserted; None for uint8. Raises UserError."""
    if array.dtype == torch.uint8:
        if asked is not None:
            raise UserError(
                "uint8 clips are levels 0..255 and have no other range",
                where=str(path),
                todo="leave --range out",
            )
        return None
    if not array.dtype.is_floating_point:
        raise UserError(
            f"clips are uint8 or floats, not {str(array.dtype).removeprefix('torch.')}",
            where=str(path),
            todo="convert levels 0..255 to uint8",
        )
    least, most = _extremes(path, array)
    found = f"its values go from {least:g} to {most:g}"
    low, high = RANGES[asked or SIGNED]
    if least < low or most > high:
        likely = [name for name, (a, b) in RANGES.items() if a <= least and most <= b]
        raise UserError(
            f"float clips must lie in {asked or SIGNED}, but {found}",
            where=str(path),
            todo=f'say what they are, for instance --range "{likely[0]}"'
            if likely
            else "clip them if they overshoot, or scale them",
        )
    if asked is None and least >= 0:
        raise UserError(
            f"{found}, which may be all of [0, 1] or the bright half of [-1, 1]",
            where=str(path),
            todo='say which: --range "[0, 1]" or --range "[-1, 1]"',
        )
    return asked or SIGNED


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
                todo="a clip that is not finite has no features: look at what made it",
            )
        least, most = min(least, float(chunk.min())), max(most, float(chunk.max()))
    return least, most


def _chunks(array: Tensor) -> Iterator[tuple[int, Tensor]]:
    for first in range(0, len(array), CHUNK_CLIPS):
        yield first, array[first : first + CHUNK_CLIPS]
