"""What is written can be read back, and equal input gives equal bytes."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dvdgan.video.decode import frames, probe
from dvdgan.video.encode import encode_mp4
from dvdgan.video.image import decode_frame, encode_frame, encode_png


def gradient(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) % 128], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(32, 48), (33, 47)])
def test_mp4_keeps_pixels_and_rate(tmp_path: Path, height: int, width: int) -> None:
    clip = np.stack([np.roll(gradient(height, width) // 2 + 40, shift, 1) for shift in range(6)])
    path = tmp_path / "clip.mp4"
    path.write_bytes(encode_mp4(clip, 12.5))
    assert probe(path).fps == 12.5
    decoded = np.stack(list(frames(path)))[:, :height, :width].astype(int)
    assert np.abs(decoded - clip).mean() < 6  # h264 and half-size chroma
    assert np.abs(decoded.mean((0, 1, 2)) - clip.mean((0, 1, 2))).max() < 2


def test_equal_frames_give_equal_mp4_bytes_whatever_was_in_memory() -> None:
    rng = np.random.default_rng(0)
    clip = rng.integers(0, 256, (1, 64, 64, 3), np.uint8) // 8 * np.ones((24, 1, 1, 1), np.uint8)
    for step, frame in enumerate(clip):
        frame[20:40, 2 * step : 2 * step + 12] = [200, 80, 120]
    seen = set()
    for _ in range(20):
        litter = [rng.integers(0, 256, size, np.uint8) for size in rng.integers(999, 400000, 40)]
        del litter[::2]  # leaves freed blocks of random bytes for the encoder to be given
        seen.add(encode_mp4(clip, 25))
    assert len(seen) == 1


def test_png_is_lossless() -> None:
    image = gradient(7, 9)
    assert (np.asarray(Image.open(io.BytesIO(encode_png(image)))) == image).all()
    assert encode_png(image) == encode_png(image.copy())


def test_jpeg_is_close_keeps_full_chroma_and_knows_damage() -> None:
    image = gradient(40, 56)
    image[:, ::2] = [255, 0, 0]  # one-pixel colour stripes die under chroma subsampling
    image[:, 1::2] = [0, 0, 255]
    data = encode_frame(image, 95)
    assert np.abs(decode_frame(data).astype(int) - image).mean() < 5
    with pytest.raises(ValueError):
        decode_frame(data[: len(data) // 2])
