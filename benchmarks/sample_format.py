"""What a training clip costs by sample format: a window of our tars, the source mp4, raw uint8.

    python benchmarks/sample_format.py artifacts/shards data/synthetic

Milliseconds per clip on one core, medians over random windows, and ratios to our format.
"""

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

from dvdgan.data.dataset import ClipDataset
from dvdgan.data.raw_video import RawVideo
from dvdgan.video.decode import frames
from dvdgan.video.image import resize_short_side

FRAMES, STRIDE, REPEATS = 12, 1, 60


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", type=Path)
    parser.add_argument("root", type=Path, help="the index.root the shards were made from")
    parser.add_argument("--resolution", type=int, default=32)
    arguments = parser.parse_args()
    with tempfile.TemporaryFile() as store:
        _compare(arguments.shards, arguments.root, arguments.resolution, store)


def _compare(shards: Path, root: Path, size: int, store: IO[bytes]) -> None:
    dataset = ClipDataset(shards, "train", size, FRAMES, STRIDE)
    paths = {
        RawVideo(path.relative_to(root).as_posix(), path.stat().st_size).id: path
        for path in root.glob("*/*")
    }
    np.save(store, _decode(paths[dataset.ids[0]], 0, int(dataset.lengths[0]), size))
    header = store.seek(0, os.SEEK_END) - int(dataset.lengths[0]) * size * size * 3
    clip_bytes = FRAMES * size * size * 3

    def from_tar(video: int, start: int) -> object:
        return dataset.read(video, start, 0, 0)

    def from_source(video: int, start: int) -> object:
        return _decode(paths[dataset.ids[video]], start, FRAMES, size)

    def from_raw(video: int, start: int) -> object:
        data = os.pread(store.fileno(), clip_bytes, header + start * clip_bytes // FRAMES)
        return np.frombuffer(data, np.uint8).reshape(FRAMES, size, size, 3).copy()

    ours = _median_ms(from_tar, dataset)
    for name, read in (("tar", from_tar), ("source", from_source), ("raw", from_raw)):
        cost = ours if read is from_tar else _median_ms(read, dataset)
        print(f"{name:8s}{cost:9.3f} ms a clip{cost / ours:9.2f} x the tar")


def _decode(path: Path, start: int, count: int, size: int) -> np.ndarray:
    window = itertools.islice(frames(path), start, start + count)
    return np.stack([resize_short_side(frame, size)[:size, :size] for frame in window])


def _median_ms(read: Callable[[int, int], object], dataset: ClipDataset) -> float:
    rng = np.random.default_rng(0)
    costs = []
    for _ in range(REPEATS):
        video = int(rng.integers(len(dataset)))
        start = int(rng.integers(min(dataset.lengths) - dataset.span + 1))
        began = time.perf_counter()
        read(video, start)
        costs.append(1000 * (time.perf_counter() - began))
    return statistics.median(costs)


if __name__ == "__main__":
    main()
