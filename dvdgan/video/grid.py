"""Clips side by side: sheets for a person's eye. numpy alone."""

import numpy as np
from numpy.typing import NDArray

BACKGROUND = 255


def video_grid(clips: NDArray[np.uint8], pad: int = 2) -> NDArray[np.uint8]:
    """Tile (rows, cols, T, H, W, 3) uint8 clips into one video, (T, H', W', 3).

    ``pad`` white pixels lie between neighbours and around all.
    """
    rows, cols, time, height, width, channels = clips.shape
    shape = (time, rows * (height + pad) + pad, cols * (width + pad) + pad, channels)
    sheet = np.full(shape, BACKGROUND, np.uint8)
    for row in range(rows):
        for col in range(cols):
            top, left = pad + row * (height + pad), pad + col * (width + pad)
            sheet[:, top : top + height, left : left + width] = clips[row, col]
    return sheet


def film_strip(clips: NDArray[np.uint8], every: int = 1, pad: int = 2) -> NDArray[np.uint8]:
    """Lay (N, T, H, W, 3) uint8 clips out as one image (H', W', 3): a row per clip, time to the
    right, every ``every``-th frame."""
    strip: NDArray[np.uint8] = video_grid(clips[:, ::every, None], pad)[0]
    return strip
