"""Images and videos as data URIs, so that the page is a single file."""

import base64
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dvdgan.video.encode import encode_mp4
from dvdgan.video.grid import video_grid

# Small clips are enlarged to about this height, px: H.264 halves the resolution of colour.
SHOWN_PIXELS = 128
# x264's constant quality on the page, where a difference to the default is hardly seen.
QUALITY = 23
KINDS = {".mp4": "video/mp4", ".png": "image/png"}


def embed_clips(clips: NDArray[np.uint8], fps: float, given: int = 0) -> str:
    """Clips (N, T, H, W, 3) uint8 in one row, their first ``given`` frames with a blue border."""
    times = max(1, SHOWN_PIXELS // clips.shape[2])
    large = clips.repeat(times, axis=2).repeat(times, axis=3)
    return _data_uri(".mp4", encode_mp4(video_grid(large[None], pad=4, given=given), fps, QUALITY))


def embed_file(path: Path) -> str:
    """A video or an image as a data URI."""
    return _data_uri(path.suffix, path.read_bytes())


def _data_uri(suffix: str, content: bytes) -> str:
    return f"data:{KINDS[suffix]};base64,{base64.b64encode(content).decode()}"
