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
def caption(text: str, width: int) -> Frame:
    """``text`` in black on white, (height, width, 3) uint8, cut to the width with an ellipsis.

    The height depends on the width alone, so that captions of a row are in line.
    """
    size = min(max(width // 12, SMALLEST), LARGEST)
    font = _font(size)
    shown = text
    while shown and font.getlength(shown) > width:
        shown = shown.removesuffix(CUT)[:-1]
        shown = shown and shown + CUT
    picture = Image.new("RGB", (width, size * 4 // 3), "white")
    ImageDraw.Draw(picture).text((0, 0), shown, fill=0, font=font)
    return np.asarray(picture)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    spec = find_spec("matplotlib")
    assert spec is not None and spec.origin is not None  # a dependency
    return ImageFont.truetype(Path(spec.origin).parent / FONT, size)
