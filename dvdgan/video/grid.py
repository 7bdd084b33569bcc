"""Clips side by side: sheets for a person's eye. numpy alone."""

import numpy as np
from numpy.typing import NDArray

BACKGROUND = 128  # grey: seen on light and dark pages alike
GIVEN = (0, 114, 178)  # blue, as in the charts


def video_grid(clips: NDArray[np.uint8], pad: int = 2, given: int = 0) -> NDArray[np.uint8]:
    """Tile (rows, cols, T, H, W, 3) uint8 clips into one video, (T, H', W', 3).

    ``pad`` grey pixels lie between neighbours and around all; blue ones as long as frames were
    ``given`` to the model, not made by it.
    """
    framed = np.zeros(clips.shape[:3], bool)
    framed[:, :, :given] = True
    return _tiled(clips, framed, pad)


def film_strip(
    clips: NDArray[np.uint8], every: int = 1, pad: int = 2, given: int = 0
) -> NDArray[np.uint8]:
    """Lay (N, T, H, W, 3) uint8 clips out as one image (H', W', 3): a row per clip, time to the
    right, every ``every``-th frame; blue around the first ``given`` frames of a clip."""
    cells = clips[:, ::every, None]
    framed = np.zeros(cells.shape[:3], bool)
    framed[:, : -(-given // every)] = True
    strip: NDArray[np.uint8] = _tiled(cells, framed, pad)[0]
    return strip


def _tiled(clips: NDArray[np.uint8], framed: NDArray[np.bool_], pad: int) -> NDArray[np.uint8]:
    """``framed`` (rows, cols, T): around which cells, and when, the padding is blue."""
    rows, cols, time, height, width, channels = clips.shape
    shape = (time, rows * (height + pad) + pad, cols * (width + pad) + pad, channels)
    sheet = np.full(shape, BACKGROUND, np.uint8)
    for row in range(rows):
        for col in range(cols):
            top, left = pad + row * (height + pad), pad + col * (width + pad)
            bottom, right = top + height, left + width
            blue = framed[row, col]
            sheet[blue, top - pad : bottom + pad, left - pad : right + pad] = GIVEN
            sheet[:, top:bottom, left:right] = clips[row, col]
    return sheet
