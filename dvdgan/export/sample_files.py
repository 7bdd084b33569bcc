"""Sampled clips as files: mp4, gif, webp, png, npy, npz."""

import io
import re
from pathlib import Path

import numpy as np

from dvdgan.errors import UserError
from dvdgan.export.sample_grid import CaptionedClips, SampleGrid
from dvdgan.export.sheets import STRIP, VIDEO
from dvdgan.video.animation import encode_gif, encode_webp
from dvdgan.video.encode import encode_mp4
from dvdgan.video.image import encode_png

VIDEOS = {".mp4": encode_mp4, ".gif": encode_gif, ".webp": encode_webp}
ARRAYS = (".npy", ".npz")
FORMATS = (*VIDEOS, ".png", *ARRAYS)
# Endings of files that a person may expect, and that are not written: no names of folders.
OTHERS = {
    *(".apng", ".avi", ".avif", ".bmp", ".jpeg", ".jpg", ".m4v", ".mkv", ".mov", ".mpeg", ".mpg"),
    *(".ogv", ".pt", ".safetensors", ".tar", ".tif", ".tiff", ".webm", ".zip"),
}
LONGEST_STEM = 80


def is_file(path: Path) -> bool:
    """Whether ``path`` names a file, by its ending. Raises UserError for a format not written."""
    ending = path.suffix.lower()
    if ending in OTHERS:
        raise UserError(
            f"samples are not written as {ending}",
            where=str(path),
            todo=f"end the name in {', '.join(FORMATS)}, or choose a folder",
        )
    return ending in FORMATS


def ending_of(each: str | None, file: Path | None) -> str:
    """The format of a file, of ``each`` clip's, else of a folder's video; UserError if none."""
    if each is None:
        return Path(VIDEO).suffix if file is None else file.suffix.lower()
    if f".{each}" not in FORMATS:
        known = ", ".join(ending.removeprefix(".") for ending in FORMATS)
        raise UserError(f"--each is {each!r}", todo=f"choose {known}")
    if file is not None:
        raise UserError(
            "--each writes several files", where=str(file), todo="use a folder for --write"
        )
    return f".{each}"


def encoded(samples: CaptionedClips, grid: SampleGrid, ending: str) -> bytes:
    """One file of all clips. ``ending`` is one of FORMATS.

    Videos show the grid; .png a row per clip, time to the right; .npy is an array of the clips,
    uint8 (N, T, H, W, 3), as the model made them, and .npz that array, ``clips``, with ``labels``
    (N,) and ``fps``.
    """
    if ending in VIDEOS:
        return VIDEOS[ending](grid.frames(samples), samples.fps)
    if ending == ".png":
        return encode_png(grid.strip(samples))
    buffer = io.BytesIO()
    if ending == ".npy":
        np.save(buffer, samples.pixels)
    else:
        np.savez(
            buffer,
            clips=samples.pixels,
            labels=np.array(samples.labels, np.int64),
            fps=np.array(samples.fps),
        )
    return buffer.getvalue()


def write_sheet_files(samples: CaptionedClips, grid: SampleGrid, folder: Path) -> None:
    """Write samples.mp4 and samples.png to ``folder``."""
    for name in (VIDEO, STRIP):
        (folder / name).write_bytes(encoded(samples, grid, Path(name).suffix))


def write_each(samples: CaptionedClips, grid: SampleGrid, ending: str, folder: Path) -> None:
    """Write a file for each clip to ``folder``, such as 003-wave.webp.

    For .png a folder for each, with its frames: 003-wave/00.png.
    """
    for number in range(len(samples.clips)):
        one = samples.only(number)
        stem = f"{number:03d}-{_file_name(one.captions[0])}"
        if ending != ".png":
            (folder / f"{stem}{ending}").write_bytes(encoded(one, grid, ending))
            continue
        (folder / stem).mkdir()
        for moment, frame in enumerate(grid.frames(one)):
            (folder / stem / f"{moment:02d}.png").write_bytes(encode_png(frame))


def _file_name(text: str) -> str:
    """``text`` without what file systems and shells take for something else."""
    name = re.sub(r"[^\w.-]+", "_", text).strip("._")
    return name.encode()[:LONGEST_STEM].decode(errors="ignore") or "clip"
