"""Samples beside their nearest training clips, for the eye: are they copies? (Paper B.2.)"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dvdgan.storage.local import write_bytes
from dvdgan.video.encode import encode_mp4
from dvdgan.video.grid import BACKGROUND, film_strip, video_grid
from dvdgan.video.image import encode_png

GAP = 8


def neighbour_video(samples: NDArray[np.uint8], neighbours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames (T, H', W', 3): a row a sample, to the right of a gap its nearest training clips.

    samples: (N, T, H, W, 3) uint8; neighbours: (N, K, T, H, W, 3) uint8, the nearest first.
    """
    left, right = video_grid(samples[:, None]), video_grid(neighbours)
    gap = np.full((*left.shape[:2], GAP, 3), BACKGROUND, np.uint8)
    return np.concatenate([left, gap, right], axis=2)


def neighbour_strip(
    samples: NDArray[np.uint8], neighbours: NDArray[np.uint8], every: int = 1
) -> NDArray[np.uint8]:
    """One image (H', W', 3), time to the right: a sample, below it its nearest training clips, a
    gap, the next sample; every ``every``-th frame. Shapes as in neighbour_video."""
    parts: list[NDArray[np.uint8]] = []
    for sample, near in zip(samples, neighbours, strict=True):
        block = film_strip(np.concatenate([sample[None], near]), every)
        parts += [block, np.full((GAP, *block.shape[1:]), BACKGROUND, np.uint8)]
    return np.concatenate(parts[:-1])


def write_neighbour_sheet(
    samples: NDArray[np.uint8], neighbours: NDArray[np.uint8], fps: float, folder: Path
) -> None:
    """Write neighbours.mp4 and neighbours.png into ``folder``; shapes as in neighbour_video."""
    video = neighbour_video(samples, neighbours)
    write_bytes(folder / "neighbours.mp4", encode_mp4(video, fps))
    write_bytes(folder / "neighbours.png", encode_png(neighbour_strip(samples, neighbours)))
