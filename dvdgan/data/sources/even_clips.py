"""Clips of a split for statistics: every video, at starts evenly spaced in time."""

from typing import Any

import torch

from dvdgan.data.dataset import ClipDataset
from dvdgan.data.random_clips import to_tensors
from dvdgan.data.sources.clip_source import Clips
from dvdgan.video.preprocessing import Framing, Preprocessing


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

    def read(self, start: int, stop: int) -> Clips:
        """Clips start..stop - 1. Raises DamagedShardError: statistics leave nothing out."""
        rows = self._data.in_order(self._clip, range(start, min(stop, len(self))))
        clips, labels = to_tensors(rows)
        return Clips(clips, labels.to(torch.int64), [])

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
