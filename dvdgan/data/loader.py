"""Shards -> clips: random windows and crops for training, fixed ones for statistics."""

import os
import signal
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dvdgan.data.frame_pack import read_window
from dvdgan.errors import UserError
from dvdgan.storage.local import read_json
from dvdgan.video.jpeg import decode_frame
from dvdgan.video.transform import crop

Clips = tuple[Tensor, Tensor]


class ClipDataset:
    """The videos of one split, read a window at a time.

    ``classes``: names by label; ``labels``: (videos,) int64; ``lengths``: (videos, ) frames;
    ``shapes``: (videos, 2) stored height and width. Opens index.json and samples.parquet only.
    """

    def __init__(
        self, shards_dir: Path, split: str, resolution: int, frames: int, stride: int
    ) -> None:
        self.folder, self.split = shards_dir, split
        self.resolution, self.frames, self.stride = resolution, frames, stride
        self.span = (frames - 1) * stride + 1
        index = self._read_index()
        self.classes: list[str] = index["classes"]
        self._shard_bytes = {shard["name"]: shard["bytes"] for shard in index["shards"]}
        table = pq.read_table(shards_dir / "samples.parquet", filters=[("split", "=", split)])
        columns = {name: table[name].to_numpy() for name in table.column_names}
        self.ids: NDArray[np.object_] = columns["id"]
        self.labels: NDArray[np.int64] = columns["label"]
        self.lengths: NDArray[np.int64] = columns["frames"]
        self.shapes: NDArray[np.int64] = np.stack([columns["height"], columns["width"]], axis=1)
        self.clip_fps = float(np.median(columns["fps"])) / stride if len(self.labels) else 0.0
        self._shards, self._offsets = columns["shard"], columns["offset"]
        self._check(index["short_side"])

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, video: int, start: int, top: int, left: int) -> NDArray[np.uint8]:
        """Frames start, start + stride, ... cropped at (top, left): (T, H, W, 3) uint8.

        Reads only the bytes of that window. Raises UserError where the shard is damaged.
        """
        name, sample = self._shards[video], self.ids[video]
        path = self.folder / name
        clip = np.empty((self.frames, self.resolution, self.resolution, 3), np.uint8)
        try:
            file = os.open(path, os.O_RDONLY)
            try:
                if os.fstat(file).st_size != self._shard_bytes[name]:
                    raise ValueError(f"{os.fstat(file).st_size} bytes, not those of index.json")
                at = int(self._offsets[video])
                jpegs = read_window(file, at, start, self.frames, self.stride)
            finally:
                os.close(file)
            for target, jpeg in zip(clip, jpegs, strict=True):
                target[...] = crop(decode_frame(jpeg), top, left, self.resolution)
        except (OSError, ValueError) as error:
            raise UserError(
                f"shard {name} is damaged at sample {sample}: {error}",
                where=str(path),
                todo="run `dvc repro shard` (or `dvc checkout`) to restore it",
            ) from error
        return clip

    def _read_index(self) -> dict[str, Any]:
        path = self.folder / "index.json"
        if not path.is_file():
            raise UserError("there are no shards", where=str(path), todo="run `dvdgan shard` first")
        index: dict[str, Any] = read_json(path)
        return index

    def _check(self, short_side: int) -> None:
        if len(self) == 0:
            raise UserError(
                f"the split {self.split} holds no video",
                where=str(self.folder),
                todo="raise index.test_fraction, or add videos",
            )
        if self.resolution > short_side:
            raise UserError(
                f"clips of {self.resolution} pixels do not fit frames of {short_side}",
                where=str(self.folder / "index.json"),
                todo="set shard.short_side >= clip.resolution and run `dvdgan shard` again",
            )
        shortest = int(self.lengths.argmin())
        if self.lengths[shortest] < self.span:
            raise UserError(
                f"video {self.ids[shortest]} has {self.lengths[shortest]} frames; a clip of "
                f"{self.frames} frames at stride {self.stride} needs {self.span}",
                where=str(self.folder),
                todo="run `dvdgan index` and `dvdgan shard` again with these clip params",
            )


def training_batches(
    dataset: ClipDataset,
    batch_size: int,
    seed: int,
    start: int,
    workers: int,
    rank: int = 0,
    world: int = 1,
) -> Iterator[Clips]:
    """Endless batches from number ``start`` on: clips (B / world, T, 3, H, W) uint8, labels int64.

    Global batch n is a function of (seed, n) alone, whatever the workers and ranks; ``rank`` gets
    its rows rank::world. Every epoch shows each video once, in an order of its own; window and
    crop are uniform (paper 2.4, A.1).
    """
    if batch_size % world:
        raise ValueError(f"a batch of {batch_size} cannot be shared by {world} processes")
    loader = DataLoader(
        _RandomClips(dataset, seed),
        batch_sampler=_Counters(batch_size, start, rank, world),
        num_workers=workers,
        collate_fn=_unchanged,
        worker_init_fn=_leave_ctrl_c_to_the_trainer,
        # The loader draws a number on creation; not from the generator that training resumes.
        generator=torch.Generator(),
    )
    for batch in loader:
        if isinstance(batch, UserError):
            raise batch
        yield batch


def reference_clips(
    dataset: ClipDataset, clips_per_video: int, batch_size: int = 16
) -> Iterator[Clips]:
    """All videos in order, each at ``clips_per_video`` evenly spaced starts, centre crop.

    Batches of clips (B, T, 3, H, W) uint8 and labels (B,) int64; the last may be smaller. Clip j
    of a video with n possible starts begins at floor((j + 1/2) n / clips_per_video), so that very
    short videos repeat a start.
    """
    total = len(dataset) * clips_per_video
    margins = (dataset.shapes - dataset.resolution) // 2
    for first in range(0, total, batch_size):
        clips, labels = [], []
        for number in range(first, min(first + batch_size, total)):
            video, part = divmod(number, clips_per_video)
            starts = int(dataset.lengths[video]) - dataset.span + 1
            begin = (2 * part + 1) * starts // (2 * clips_per_video)
            clips.append(dataset.read(video, begin, *map(int, margins[video])))
            labels.append(int(dataset.labels[video]))
        yield _to_tensors(clips, labels)


class ConditioningFrames:
    """The frames that prediction continues: those a real clip begins with (paper A.4).

    Clip number i of ``seed`` is a random window and crop, the same in whatever batch it is read, so
    that it belongs to generated video number i.
    """

    def __init__(self, dataset: ClipDataset, seed: int, frames: int) -> None:
        self.frames = frames
        self._clips = _RandomClips(dataset, seed)

    def __getitem__(self, numbers: slice) -> Tensor:
        """The given frames of clips start .. stop-1: (N, C, 3, H, W) uint8."""
        return self.whole(numbers)[0][:, : self.frames]

    def labels(self, numbers: slice) -> Tensor:
        """The labels of clips start .. stop-1: (N,) int64."""
        return torch.tensor([self._clips.label(n) for n in range(numbers.start, numbers.stop)])

    def whole(self, numbers: slice) -> Clips:
        """The whole clips start .. stop-1, (N, T, 3, H, W) uint8: what really happened; labels."""
        read = self._clips.__getitems__(list(range(numbers.start, numbers.stop)))
        if isinstance(read, UserError):
            raise read
        return read


class _RandomClips(Dataset[Clips]):
    """Clip number c of an endless, seeded sequence of random windows and crops."""

    def __init__(self, dataset: ClipDataset, seed: int) -> None:
        self.dataset, self.seed = dataset, seed

    def __getitems__(self, counters: list[int]) -> Clips | UserError:
        # A worker can hand torch only exceptions made from one string: give ours as a value.
        try:
            rows = [self._draw(counter) for counter in counters]
        except UserError as error:
            return error
        return _to_tensors([clip for clip, _ in rows], [label for _, label in rows])

    def label(self, counter: int) -> int:
        return int(self.dataset.labels[self._video(counter)])

    def _video(self, counter: int) -> int:
        epoch, position = divmod(counter, len(self.dataset))
        return int(_order(self.seed, epoch, len(self.dataset))[position])

    def _draw(self, counter: int) -> tuple[NDArray[np.uint8], int]:
        data, video = self.dataset, self._video(counter)
        rng = np.random.default_rng([self.seed, 1, counter])
        start = int(rng.integers(data.lengths[video] - data.span + 1))
        top, left = map(int, rng.integers(data.shapes[video] - data.resolution + 1))
        return data.read(video, start, top, left), int(data.labels[video])


class _Counters:
    """The clip numbers of one rank's rows, batch after batch, without end."""

    def __init__(self, batch_size: int, start: int, rank: int, world: int) -> None:
        self.batch_size, self.start, self.rank, self.world = batch_size, start, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        first = self.start * self.batch_size
        while True:
            yield list(range(first + self.rank, first + self.batch_size, self.world))
            first += self.batch_size


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, videos: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, 0, epoch]).permutation(videos)


def _to_tensors(clips: list[NDArray[np.uint8]], labels: list[int]) -> Clips:
    frames_last = torch.from_numpy(np.stack(clips))
    return frames_last.permute(0, 1, 4, 2, 3).contiguous(), torch.tensor(labels)


def _unchanged(batch: Any) -> Any:
    return batch


def _leave_ctrl_c_to_the_trainer(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
