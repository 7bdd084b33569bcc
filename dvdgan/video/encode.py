"""Frames -> an mp4 that every browser plays."""

import io
from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

# ITU-T H.273 code of the matrix that sws calls ITU601.
SMPTE170M = 6


def encode_mp4(frames: Iterable[NDArray[np.uint8]], fps: float, crf: int = 16) -> bytes:
    """H.264 (yuv420p) mp4 bytes of (T, H, W, 3) uint8 RGB frames.

    Odd sizes are padded by repeating the last row or column, since 4:2:0 needs even ones. ``crf``
    is x264's constant quality (lower is better). Equal input gives equal bytes.
    """
    # One thread, and no macroblock tree: with B-frames it reads memory nobody wrote, so that the
    # bytes would differ from run to run (seen with core 164).
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream(
            "libx264",
            rate=Fraction(fps).limit_denominator(1001),
            options={"crf": str(crf), "threads": "1", "x264-params": "mbtree=0"},
        )
        stream.pix_fmt = "yuv420p"
        stream.codec_context.color_range = ColorRange.MPEG
        stream.codec_context.colorspace = SMPTE170M
        for count, frame in enumerate(frames):
            even = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), "edge")
            if count == 0:
                stream.height, stream.width = even.shape[:2]
            picture = av.VideoFrame.from_ndarray(even, format="rgb24").reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU601,
                dst_color_range=ColorRange.MPEG,
            )
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return buffer.getvalue()
