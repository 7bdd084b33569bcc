"""Text above a picture."""

from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dvdgan.video.frame import Frame

# Matplotlib's font: Latin, Greek, Cyrillic and arrows; that of Pillow draws ASCII alone.
FONT = "mpl-data/fonts/ttf/DejaVuSans.ttf"
SMALLEST, LARGEST = 9, 22
CUT = "…"


@lru_cache(256)
def caption(text: str, width: int, cell: int) -> Frame:
    """``text`` in black on white, (height, width, 3) uint8, cut to the width with an ellipsis.

    Letters and height depend on ``cell`` alone, the width of one picture, so that captions above
    one picture and above several are in line.
    """
    size = _letter_size(cell)
    font = _font(size)
    shown = text
    while shown and font.getlength(shown) > width:
        shown = shown.removesuffix(CUT)[:-1]
        shown = shown and shown + CUT
    picture = Image.new("RGB", (width, caption_height(cell)), "white")
    ImageDraw.Draw(picture).text((0, 0), shown, fill=0, font=font)
    return np.asarray(picture)


def caption_height(cell: int) -> int:
    """Pixels of a caption above pictures of this width."""
    return _letter_size(cell) * 4 // 3


def _letter_size(cell: int) -> int:
    return min(max(cell // 12, SMALLEST), LARGEST)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    spec = find_spec("matplotlib")
    assert spec is not None and spec.origin is not None  # a dependency
    return ImageFont.truetype(Path(spec.origin).parent / FONT, size)
