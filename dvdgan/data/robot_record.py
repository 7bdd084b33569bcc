"""The frames in a record of BAIR robot pushing (Ebert et al. 2017).

A tf.train.Example with features for each time t = 0, 1, ...: `<t>/image_main/encoded` and
`<t>/image_aux1/encoded`, pictures of two cameras as raw bytes (64 x 64 x 3 uint8, in spite of the
name), and `<t>/action` and `<t>/endeffector_pos`, which are not read.
"""

import re

import numpy as np
from numpy.typing import NDArray

from dvdgan.data.tfrecord import DamagedRecordError, byte_strings
from dvdgan.video.decode import VideoError, VideoFacts, VideoProblem
from dvdgan.video.unreadable import PICTURES

# The camera of the video prediction literature (SVG, SAVP, Tensor2Tensor).
CAMERA = "image_aux1"
SIDE = 64
FRAME_BYTES = SIDE * SIDE * 3
# Records hold no times. Ours, so that videos of them can be played; no metric depends on it.
FPS = 10.0


def robot_frames(data: bytes) -> list[NDArray[np.uint8]]:
    """The frames of a record, each (64, 64, 3) uint8 RGB. Raises VideoError."""
    try:
        features = byte_strings(data)
    except DamagedRecordError as error:
        raise VideoError(VideoProblem.DAMAGED, str(error)) from error
    found = {
        int(match[1]): value
        for name, value in features.items()
        if (match := re.fullmatch(rf"(\d{{1,6}})/{CAMERA}/encoded", name, re.ASCII))
    }
    if not found:
        detail = f"the record has no feature 0/{CAMERA}/encoded"
        raise VideoError(VideoProblem.NO_VIDEO_STREAM, detail)
    missing = next((time for time in range(max(found)) if time not in found), None)
    if missing is not None:
        raise VideoError(VideoProblem.DAMAGED, f"frame {missing} is not there")
    return [_frame(found[time], time) for time in sorted(found)]


def robot_facts(data: bytes, max_pixels: int) -> VideoFacts:
    """Of the frames of a record. Raises VideoError."""
    if max_pixels < SIDE * SIDE:
        detail = f"{SIDE} x {SIDE} pixels; at most {max_pixels} pixels a frame are read"
        raise VideoError(VideoProblem.TOO_LARGE, detail)
    count = len(robot_frames(data))
    return VideoFacts(
        frames=count,
        fps=FPS,
        width=SIDE,
        height=SIDE,
        sample_aspect=1.0,
        duration=count / FPS,
        codec="rawvideo",
    )


def _frame(content: bytes, time: int) -> NDArray[np.uint8]:
    if len(content) != FRAME_BYTES:
        kind = next((name for start, name in PICTURES.items() if content.startswith(start)), None)
        if kind is not None:
            detail = f"frame {time} is a {kind} picture; raw frames of {SIDE} x {SIDE} are read"
            raise VideoError(VideoProblem.NOT_A_VIDEO, detail)
        detail = f"frame {time} has {len(content)} bytes; {SIDE} x {SIDE} x 3 are {FRAME_BYTES}"
        raise VideoError(VideoProblem.DAMAGED, detail)
    return np.frombuffer(content, np.uint8).reshape(SIDE, SIDE, 3)
