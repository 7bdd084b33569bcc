"""Single images as files, with Pillow alone: works where no video library is installed."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """PNG bytes of an (H, W, 3) or (H, W) uint8 image; equal images give equal bytes."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, format="PNG", optimize=False)
    return buffer.getvalue()


def decode_png(content: bytes) -> NDArray[np.uint8]:
    """The (H, W, 3) or (H, W) uint8 image of what `encode_png` gave."""
    return np.array(Image.open(io.BytesIO(content)))
