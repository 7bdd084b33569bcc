"""Clips of one split of the shards that `dvdgan shard` wrote."""

from pathlib import Path

import torch

from dvdgan.data.dataset import ClipDataset
from dvdgan.data.random_clips import to_tensors
from dvdgan.data.sources.clip_source import Clips, Windowing
from dvdgan.storage.local import read_json, sha256_of_file
from dvdgan.video.preprocessing import Framing, Preprocessing


class ShardSet:
    """One clip of each video of ``split``, centre crop of ``resolution`` (None: the short side).

    Raises UserError where the folder holds no shards, the split no videos, or the clips do not
    fit; DamagedShardError while reading: nothing is left out.
    """

    numbers = None

    def __init__(
        self, folder: Path, split: str, windowing: Windowing, resolution: int | None = None
    ) -> None:
        self._index = folder / "index.json"
        size = resolution or read_json(self._index)["short_side"]
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

    def read(self, start: int, stop: int) -> Clips:
        """The clips of videos start..stop - 1, with their class."""
        rows = []
        for place in range(start, min(stop, len(self))):
            begin = self.windowing.start(int(self._data.lengths[place]), place)
            clip = self._data.read(place, begin, *map(int, self._margins[place]))
            rows.append((clip, int(self._data.labels[place])))
        clips, labels = to_tensors(rows)
        return Clips(clips, labels.to(torch.int64), [])

    def fingerprint(self) -> str:
        """Of index.json, which holds the sha256 of every shard, the split and the windows."""
        return f"{sha256_of_file(self._index)} {self._data.split} {self.windowing} {self.shape}"
