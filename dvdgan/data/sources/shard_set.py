"""Clips of one split of the shards that `dvdgan shard` wrote, for metrics: always the same ones.

`ShardSet` has one of each video, `EvenClips` several, evenly spaced in time.
"""

from pathlib import Path
from typing import Any

import torch

from dvdgan.data.dataset import ClipDataset
from dvdgan.data.random_clips import to_tensors
from dvdgan.data.shard_index import parse_index
from dvdgan.data.shard_source import INDEX, LocalShards, read_index
from dvdgan.data.sources.clip_source import SourceClips, Windowing
from dvdgan.storage.local import sha256_of_file
from dvdgan.video.preprocessing import Framing, Preprocessing


class ShardSet:
    """One clip of each video of ``split``, centre crop of ``resolution`` (None: the short side).

    Raises UserError if the folder holds no shards, the split no videos, or the clips do not
    fit; DamagedShardError while reading: nothing is left out.
    """

    numbers = None

    def __init__(
        self, folder: Path, split: str, windowing: Windowing, resolution: int | None = None
    ) -> None:
        self._index = folder / "index.json"
        size = resolution
        if size is None:
            shards = LocalShards(folder)
            size = parse_index(read_index(shards), shards.where(INDEX)).short_side
        self.windowing = windowing
        self._data = ClipDataset(folder, split, size, windowing.frames, windowing.stride)
        self._margins = (self._data.shapes - size) // 2
        self.classes: list[str] | None = self._data.classes

    @property
    def shape(self) -> tuple[int, int]:
        return self.windowing.frames, self._data.resolution

    @property
    def preprocessing(self) -> Preprocessing:
        data, taken = self._data, self.windowing
        framing: Framing = "whole" if data.resolution == data.short_side else "cropped"
        return Preprocessing(taken.stride, taken.window, framing, split=data.split)

    def __len__(self) -> int:
        return len(self._data)

    def read(self, start: int, stop: int) -> SourceClips:
        """The clips of videos start..stop - 1, with their class."""
        rows = []
        for place in range(start, min(stop, len(self))):
            begin = self.windowing.start(int(self._data.lengths[place]), place)
            clip = self._data.read(place, begin, *map(int, self._margins[place]))
            rows.append((clip, int(self._data.labels[place])))
        clips, labels = to_tensors(rows)
        return SourceClips(clips, labels.to(torch.int64), [])

    def fingerprint(self) -> str:
        """Of index.json, which holds the sha256 of every shard, the split and the windows."""
        return f"{sha256_of_file(self._index)} {self._data.split} {self.windowing} {self.shape}"


class EvenClips:
    """All videos in order, each at ``clips_per_video`` evenly spaced starts, centre crop.

    Clip j of a video with n possible starts begins at floor((j + 1/2) n / clips_per_video), so that
    very short videos repeat a start.
    """

    def __init__(self, dataset: ClipDataset, clips_per_video: int, most: int | None = None) -> None:
        """``most``: of more clips, so many are taken, evenly spread."""
        self._data, self._per_video = dataset, clips_per_video
        self._total = len(dataset) * clips_per_video
        self._count = self._total if most is None else min(self._total, most)
        self._margins = (dataset.shapes - dataset.resolution) // 2

    @property
    def split(self) -> str:
        return self._data.split

    @property
    def preprocessing(self) -> Preprocessing:
        """As `ShardSet`'s, of several windows."""
        data = self._data
        framing: Framing = "whole" if data.resolution == data.short_side else "cropped"
        return Preprocessing(data.stride, "even", framing, split=data.split)

    def __len__(self) -> int:
        return self._count

    def read(self, start: int, stop: int) -> SourceClips:
        """Clips start..stop - 1. Raises DamagedShardError: statistics leave nothing out."""
        rows = self._data.in_order(self._clip, range(start, min(stop, len(self))))
        clips, labels = to_tensors(rows)
        return SourceClips(clips, labels.to(torch.int64), [])

    def fingerprint(self) -> str:
        """Of index.json, which holds the sha256 of every shard, the split and the windows."""
        data = self._data
        window = (data.resolution, data.frames, data.stride, self._per_video, len(self))
        return f"{data.index_sha256} {data.split} {window}"

    def _clip(self, number: int) -> Any:
        video, part = divmod(number * self._total // self._count, self._per_video)
        starts = int(self._data.lengths[video]) - self._data.span + 1
        begin = (2 * part + 1) * starts // (2 * self._per_video)
        clip = self._data.read(video, begin, *map(int, self._margins[video]))
        return clip, int(self._data.labels[video])
