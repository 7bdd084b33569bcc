"""Frames as a decoder gives them -> upright RGB."""

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from dvdgan.video.frame import Frame

# Exact arithmetic, so that levels do not depend on the processor's instruction set.
CONVERSION = int(Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT)


class UprightConversion:
    """Raw frames of one video -> upright RGB; sets its tables up once, not for every frame."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> Frame:
        """(H, W, 3) uint8 RGB in [0, 255] of ``frame`` by its own matrix and range."""
        rgb = self._reformatter.reformat(
            frame, format="rgb24", dst_color_range=ColorRange.JPEG, interpolation=CONVERSION
        )
        return np.ascontiguousarray(np.rot90(rgb.to_ndarray(), k=quarter_turns(frame)))


def quarter_turns(frame: av.VideoFrame) -> int:
    """Anticlockwise quarter turns that bring a raw frame upright (its display matrix)."""
    return round(frame.rotation / 90) % 4
