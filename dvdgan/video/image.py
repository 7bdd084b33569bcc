"""Single images: JPEG frames of shards, PNG, resizing, cropping. Needs no video library."""

import io

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from dvdgan.video.frame import Frame

# Of a frame in a shard: far beyond any short side that params.yaml allows.
MOST_PIXELS = 1 << 24


def encode_frame(frame: Frame, quality: int) -> bytes:
    """JPEG bytes (libjpeg-turbo) of an (H, W, 3) uint8 RGB frame, 4:4:4; quality 1 to 100."""
    encoded: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(frame), quality=quality, colorspace="RGB", colorsubsampling="444"
    )
    return encoded


def decode_frame(data: bytes) -> Frame:
    """(H, W, 3) uint8 RGB of JPEG bytes; raises ValueError if they are damaged.

    It raises it also for more than MOST_PIXELS, which a header of a few bytes may claim.
    """
    height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    if height * width > MOST_PIXELS:
        raise ValueError(f"the image has {width} x {height} pixels")
    frame: Frame = simplejpeg.decode_jpeg(data, colorspace="RGB")
    return frame


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """PNG bytes of an (H, W, 3) or (H, W) uint8 image; equal images give equal bytes."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, format="PNG", optimize=False)
    return buffer.getvalue()


def decode_png(content: bytes) -> NDArray[np.uint8]:
    """The (H, W, 3) or (H, W) uint8 image of what `encode_png` gave."""
    return np.array(Image.open(io.BytesIO(content)))


def resized_shape(
    height: int, width: int, short_side: int, sample_aspect: float = 1.0
) -> tuple[int, int]:
    """(height, width) with square pixels whose shorter side is ``short_side``, aspect kept."""
    shown_width = width * sample_aspect
    scale = short_side / min(height, shown_width)
    return max(short_side, round(height * scale)), max(short_side, round(shown_width * scale))


def resize_short_side(frame: Frame, short_side: int, sample_aspect: float = 1.0) -> Frame:
    """Resize (H, W, 3) uint8 so that its shorter side is ``short_side``; bilinear, antialiased.

    ``sample_aspect`` is the shown width of a stored pixel over its height; the result has square
    pixels. A frame already of that size is returned as it is. Paper A.1.
    """
    height, width = resized_shape(frame.shape[0], frame.shape[1], short_side, sample_aspect)
    if frame.shape[:2] == (height, width):
        return frame
    # Pillow's BILINEAR widens its triangle when it shrinks: no aliasing.
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR))


def crop(frames: Frame, top: int, left: int, size: int) -> Frame:
    """The ``size`` x ``size`` window of (..., H, W, 3) whose corner is (top, left).

    Raises ValueError if it does not lie inside.
    """
    height, width = frames.shape[-3:-1]
    if not (0 <= top <= height - size and 0 <= left <= width - size):
        raise ValueError(f"no {size} x {size} crop at ({top}, {left}) in {height} x {width}")
    return frames[..., top : top + size, left : left + size, :]


def center_crop(frames: Frame, size: int) -> Frame:
    """The central ``size`` x ``size`` window of (..., H, W, 3); odd margins round up and left."""
    height, width = frames.shape[-3:-1]
    return crop(frames, (height - size) // 2, (width - size) // 2, size)
