"""Animations, read back by Pillow."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from dvdgan.video.animation import encode_gif, encode_webp
from dvdgan.video.caption import caption, caption_height


def clip(length: int) -> np.ndarray:
    """A square that moves over a gradient; no two frames are equal."""
    frames = np.zeros((length, 24, 40, 3), np.uint8) + np.arange(40, dtype=np.uint8)[:, None] * 5
    for number, frame in enumerate(frames):
        frame[4:12, number % 30 : number % 30 + 8] = (250, 40, number)
    return frames


@pytest.mark.parametrize("encode", [encode_gif, encode_webp])
@pytest.mark.parametrize("fps", [12.5, 25, 23.976])
def test_an_animation_keeps_pixels_and_time_and_repeats(
    encode: Callable[..., bytes], fps: float
) -> None:
    frames = clip(40)
    encoded = encode(frames, fps)
    assert encode(list(frames), fps) == encoded
    image = Image.open(io.BytesIO(encoded))
    assert image.info["loop"] == 0
    assert image.n_frames == len(frames)
    milliseconds = 0
    for number, frame in enumerate(frames):
        image.seek(number)
        image.load()
        milliseconds += image.info["duration"]
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - frame).mean() < 6
    assert milliseconds / 1000 == pytest.approx(len(frames) / fps, abs=0.006)


def test_a_gif_is_never_so_fast_that_browsers_slow_it_down() -> None:
    image = Image.open(io.BytesIO(encode_gif(clip(5), 100)))
    assert image.info["duration"] == 20


@pytest.mark.parametrize("width", [16, 64, 300])
def test_a_caption_is_as_wide_as_asked_and_cut_where_it_is_longer(width: int) -> None:
    short, long = caption("a", width, 64), caption("a" * 500, width, 64)
    assert short.shape == long.shape == (caption_height(64), width, 3)
    assert (long < 128).any(axis=(0, 2))[-width // 4 :].any()  # the text reaches the right edge
    assert (caption("", width, 64) == 255).all()
    assert (caption("b" * 500, width, 64) != long).any()


def test_captions_of_larger_pictures_are_higher_up_to_a_limit() -> None:
    heights = [caption_height(cell) for cell in (32, 128, 256, 4096, 8192)]
    assert heights == sorted(heights) and heights[0] < heights[2] < heights[3] == heights[4]
    assert (caption("wide", 300, 64) < 128).sum() < (caption("wide", 300, 256) < 128).sum()
