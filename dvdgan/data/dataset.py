"""The videos of a split in their shards, with random access to clips."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from dvdgan.data.frame_pack import read_window
from dvdgan.data.shard_index import HEADER_BYTES, of_member, parse_index, parse_samples
from dvdgan.data.shard_source import (
    INDEX,
    SAMPLES,
    LocalShards,
    ShardSource,
    open_shards,
    read_index,
    read_samples,
)
from dvdgan.errors import UserError
from dvdgan.video.image import crop, decode_frame

if TYPE_CHECKING:
    from dvdgan.config.schema import Clip

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class DamagedShardError(UserError):
    """A shard whose contents differ from its index; ``shard`` is its name."""

    shard: str

    @classmethod
    def at(cls, shard: str, sample: str, why: object, where: str) -> "DamagedShardError":
        """The error for a clip of ``sample`` that cannot be read because of ``why``."""
        error = cls(
            f"shard {shard} is damaged at sample {sample}: {why}",
            where=where,
            todo="delete it, also in DVC's cache, and run `dvc pull shard` (docs/runbooks.md)",
        )
        error.shard = shard
        return error


class ClipDataset:
    """The videos of one split, read a window at a time.

    ``classes``: names by label; ``labels``: (videos,) int64; ``lengths``: (videos, ) frames;
    ``shapes``: (videos, 2) stored height and width; ``short_side``: the shorter of each;
    ``index_sha256``: of index.json, which holds the sha256 of every shard. Reads index.json and
    samples.parquet; tars only when a clip is read.
    """

    def __init__(
        self,
        shards: Path | ShardSource,
        split: str,
        resolution: int,
        frames: int,
        stride: int,
    ) -> None:
        """``shards``: a folder, or what `open_shards` gives. Raises UserError if they do not fit
        these clips."""
        self._source: ShardSource = LocalShards(shards) if isinstance(shards, Path) else shards
        self.split = split
        self.resolution, self.frames, self.stride = resolution, frames, stride
        self.span = (frames - 1) * stride + 1
        index_bytes = read_index(self._source)
        self.index_sha256 = hashlib.sha256(index_bytes).hexdigest()
        index = parse_index(index_bytes, self._source.where(INDEX))
        self.classes: list[str] = index.classes
        self._tars = index.tars
        samples = read_samples(self._source)
        columns = parse_samples(samples, split, index, self._source.where(SAMPLES))
        self.ids: NDArray[np.object_] = columns["id"]
        self.labels: NDArray[np.int64] = columns["label"]
        self.lengths: NDArray[np.int64] = columns["frames"]
        self.shapes: NDArray[np.int64] = np.stack([columns["height"], columns["width"]], axis=1)
        self.clip_fps = float(np.median(columns["fps"])) / stride if len(self.labels) else 0.0
        self._shards, self._offsets = columns["shard"], columns["offset"]
        self._sizes = columns["size"]
        self.short_side: int = index.short_side
        self._check()

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, video: int, start: int, top: int, left: int) -> NDArray[np.uint8]:
        """Frames start, start + stride, ... cropped at (top, left): (T, H, W, 3) uint8.

        Reads only the bytes of that window. Raises DamagedShardError, or StoreUnavailableError
        after retries.
        """
        name, at, size = self._shards[video], int(self._offsets[video]), int(self._sizes[video])
        window = range(start, start + self.span, self.stride)
        clip = np.empty((self.frames, self.resolution, self.resolution, 3), np.uint8)
        try:
            header = at - HEADER_BYTES
            with self._source.open(self._tars[name], header, HEADER_BYTES + size) as read:
                member = of_member(read, self.ids[video], at, size)
                jpegs = read_window(member, at, size, window)
            for target, jpeg in zip(clip, jpegs, strict=True):
                target[...] = crop(decode_frame(jpeg), top, left, self.resolution)
        except (OSError, ValueError) as error:
            where = self._source.where(name)
            raise DamagedShardError.at(name, self.ids[video], error, where) from error
        return clip

    def in_order(self, task: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> list[ResultT]:
        """Apply ``task`` to each of ``items``, concurrently where the shards are in a store."""
        return self._source.in_order(task, items)

    def _check(self) -> None:
        if len(self) == 0:
            raise UserError(
                f"the split {self.split} contains no video",
                where=self._source.where(),
                todo="raise index.test_fraction, or add videos",
            )
        if self.resolution > self.short_side:
            raise UserError(
                f"clips of {self.resolution} pixels do not fit into frames of {self.short_side}",
                where=self._source.where(INDEX),
                todo="set shard.short_side >= clip.resolution and run `dvdgan shard` again",
            )
        shortest = int(self.lengths.argmin())
        if self.lengths[shortest] < self.span:
            raise UserError(
                f"video {self.ids[shortest]} has {self.lengths[shortest]} frames; a clip of "
                f"{self.frames} frames at stride {self.stride} needs {self.span}",
                where=self._source.where(),
                todo="run `dvdgan index` and `dvdgan shard` again with these clip params",
            )


def open_clips(folder: Path, split: str, clip: "Clip") -> ClipDataset:
    """The clips of ``split`` that every stage reads: see `open_shards` for ``folder``."""
    return ClipDataset(open_shards(folder), split, clip.resolution, clip.frames, clip.stride)


def too_many_damaged(limit: int, found: Mapping[str, DamagedShardError]) -> UserError:
    """The error that stops a run which found more than ``limit`` damaged shards, by name."""
    if len(found) == 1:
        return next(iter(found.values()))
    reasons = "".join(f"\n  {error.what}" for error in found.values())
    return UserError(
        f"{len(found)} shards are damaged, more than train.max_damaged_shards = {limit}:{reasons}",
        where=next(iter(found.values())).where,
        todo="delete them, also in DVC's cache, and run `dvc pull shard` (docs/runbooks.md)",
    )
