"""Samples to look at: a looping video and a film strip of clips from a bundle."""

from pathlib import Path

from torch import Tensor

from dvdgan.video.encode import encode_mp4
from dvdgan.video.grid import film_strip, video_grid
from dvdgan.video.image import encode_png

VIDEO, STRIP = "samples.mp4", "samples.png"


def write_sheets(clips: Tensor, fps: float, given: int, folder: Path) -> None:
    """Write samples.mp4 and samples.png to ``folder``: a row per class, time from left to right.

    clips: uint8 (rows, columns, T, 3, H, W). In samples.png every clip is a row. Given frames have
    a blue border.
    """
    pixels = clips.permute(0, 1, 2, 4, 5, 3).numpy()
    strip = film_strip(pixels.reshape(-1, *pixels.shape[2:]), given=given)
    (folder / VIDEO).write_bytes(encode_mp4(video_grid(pixels, given=given), fps))
    (folder / STRIP).write_bytes(encode_png(strip))
