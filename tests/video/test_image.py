"""Resizing against the triangle filter written out; crops against slices."""

import numpy as np
import pytest

from dvdgan.video.image import center_crop, crop, resize_short_side


def triangle_weights(source: int, target: int) -> np.ndarray:
    """(target, source) weights of the antialiased bilinear filter, by its definition."""
    scale = source / target
    support = max(scale, 1.0)
    weights = np.zeros((target, source))
    for row in range(target):
        centre = (row + 0.5) * scale
        for column in range(source):
            weights[row, column] = max(0.0, 1 - abs(column + 0.5 - centre) / support)
        weights[row] /= weights[row].sum()
    return weights


@pytest.mark.parametrize(("height", "width", "target"), [(60, 80, 32), (91, 50, 16), (20, 24, 32)])
def test_resize_is_antialiased_bilinear(height: int, width: int, target: int) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    resized = resize_short_side(frame, target)
    assert min(resized.shape[:2]) == target
    rows = triangle_weights(height, resized.shape[0])
    columns = triangle_weights(width, resized.shape[1])
    expected = np.einsum("yh,xw,hwc->yxc", rows, columns, frame.astype(float))
    assert np.abs(resized - expected).max() <= 1.01  # two roundings


@pytest.mark.parametrize(
    ("shape", "aspect", "expected"),
    [
        ((120, 160), 1.0, (32, 43)),
        ((120, 160), 2.0, (32, 85)),  # shown 320 x 120
        ((120, 160), 0.5, (48, 32)),  # shown 80 x 120
        ((57, 101), 1.0, (32, 57)),
        ((2, 2), 1.0, (32, 32)),
    ],
)
def test_shown_aspect_is_kept(
    shape: tuple[int, int], aspect: float, expected: tuple[int, int]
) -> None:
    assert resize_short_side(np.zeros((*shape, 3), np.uint8), 32, aspect).shape[:2] == expected


def test_crops() -> None:
    frames = np.arange(2 * 5 * 8 * 3, dtype=np.uint8).reshape(2, 5, 8, 3)
    assert (crop(frames, 1, 3, 4) == frames[:, 1:5, 3:7]).all()
    assert (center_crop(frames, 4) == frames[:, 0:4, 2:6]).all()
    with pytest.raises(ValueError, match="no 4 x 4 crop"):
        crop(frames, 2, 0, 4)
