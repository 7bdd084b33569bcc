"""Frames -> an animated GIF or WebP, which play in a README, an issue or a chat."""

import io
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from PIL import Image

from dvdgan.video.frame import Frame

# Colours of a GIF, and the frames that choose them: one palette for all, so that nothing flickers.
COLOURS = 256
PALETTE_FRAMES = 32
# A GIF counts hundredths of a second, and browsers show delays below two of them as ten.
GIF_TICKS = 100
SHORTEST_TICKS = 2
WEBP_TICKS = 1000


def encode_gif(frames: Iterable[Frame], fps: float) -> bytes:
    """GIF bytes of (H, W, 3) uint8 RGB frames, in 256 colours, repeated for ever.

    Equal input gives equal bytes. Above 50 frames per second it plays slower than ``fps``.
    """
    pictures = [Image.fromarray(frame) for frame in frames]
    chosen = pictures[:: -(-len(pictures) // PALETTE_FRAMES)]
    palette = Image.fromarray(np.concatenate([np.asarray(each) for each in chosen])).quantize(
        COLOURS
    )
    coloured = [each.quantize(palette=palette, dither=Image.Dither.NONE) for each in pictures]
    ticks = [max(SHORTEST_TICKS, each) for each in _ticks(len(coloured), fps, GIF_TICKS)]
    return _saved(coloured, "GIF", [10 * each for each in ticks])


def encode_webp(frames: Iterable[Frame], fps: float, quality: int = 90) -> bytes:
    """WebP bytes of (H, W, 3) uint8 RGB frames, repeated for ever; equal input, equal bytes.

    ``quality``: 0 to 100 (higher is better).
    """
    pictures = [Image.fromarray(frame) for frame in frames]
    return _saved(pictures, "WEBP", _ticks(len(pictures), fps, WEBP_TICKS), quality=quality)


def _ticks(count: int, fps: float, ticks: int) -> list[int]:
    """How long each frame is shown, in 1/``ticks`` s, without drifting from ``fps``."""
    ends = [round(number * ticks / fps) for number in range(count + 1)]
    return [end - start for start, end in pairwise(ends)]


def _saved(
    pictures: list[Image.Image], kind: str, milliseconds: list[int], **options: int
) -> bytes:
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        format=kind,
        save_all=True,
        append_images=pictures[1:],
        duration=milliseconds,
        loop=0,
        **options,
    )
    return buffer.getvalue()
