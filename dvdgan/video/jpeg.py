"""One stored frame <-> JPEG bytes (libjpeg-turbo), without chroma subsampling."""

import numpy as np
import simplejpeg
from numpy.typing import NDArray


def encode_frame(frame: NDArray[np.uint8], quality: int) -> bytes:
    """JPEG bytes, 4:4:4, of an (H, W, 3) uint8 RGB frame; quality 1 to 100."""
    encoded: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(frame), quality=quality, colorspace="RGB", colorsubsampling="444"
    )
    return encoded


def decode_frame(data: bytes) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of JPEG bytes; raises ValueError where they are damaged."""
    frame: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colorspace="RGB")
    return frame
