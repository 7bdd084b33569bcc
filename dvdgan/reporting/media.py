"""Images and videos as data URIs, so that the page is a single file."""

import base64
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dvdgan.video.encode import encode_mp4
from dvdgan.video.grid import film_strip, video_grid
from dvdgan.video.image import encode_png

# Small clips are enlarged to about this height, px: H.264 halves the resolution of colour.
SHOWN_PIXELS = 128
STRIP_FRAMES = 6


@dataclass(frozen=True)
class EmbeddedClips:
    """Some clips side by side: as a looping video, and frame by frame."""

    video: str
    """mp4 data URI."""
    strip: str
    """PNG data URI: a row per clip, time from left to right."""


def embed_clips(clips: NDArray[np.uint8], fps: float, given: int = 0) -> EmbeddedClips:
    """Clips (N, T, H, W, 3) uint8 in one row, their first ``given`` frames with a blue border."""
    times = max(1, SHOWN_PIXELS // clips.shape[2])
    large = clips.repeat(times, axis=2).repeat(times, axis=3)
    every = 1 if given else max(1, clips.shape[1] // STRIP_FRAMES)
    strip = film_strip(clips, every, given=given)
    return EmbeddedClips(
        video=_data_uri("video/mp4", encode_mp4(video_grid(large[None], pad=4, given=given), fps)),
        strip=_data_uri("image/png", encode_png(strip)),
    )


def embed_png(path: Path) -> str:
    """A PNG file as a data URI."""
    return _data_uri("image/png", path.read_bytes())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
