"""Folders of frames, which are not videos yet."""

from collections.abc import Iterable
from pathlib import Path

from dvdgan.errors import UserError
from dvdgan.storage.ignored import ignored_as

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".ppm", ".exr"})


def refuse_pictures(root: Path, paths: Iterable[Path]) -> None:
    """Raise UserError where all ``paths`` below ``root`` are pictures, or folders of pictures.

    Of a folder the first file is looked at, by its name alone.
    """
    endings = set()
    for path in paths:
        file = _first_file(root / path) if (root / path).is_dir() else path
        ending = "" if file is None else file.suffix
        if ending.lower() not in ENDINGS:
            return
        endings.add(ending)
    if endings:
        [ending, *_] = sorted(endings)
        raise UserError(
            f"these are pictures ({ending}), not videos",
            where=str(root),
            todo="make a video of each folder of frames, here without loss, and name its frame "
            f"rate:\n    ffmpeg -framerate 25 -pattern_type glob -i 'FRAMES/*{ending}' "
            "-c:v libx264rgb -crf 0 VIDEO.mp4",
        )


def _first_file(folder: Path) -> Path | None:
    try:
        names = [entry for entry in folder.iterdir() if ignored_as(entry.name) is None]
    except OSError:
        return None  # told where it is opened
    return min(names, default=None)
