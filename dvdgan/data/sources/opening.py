"""A path -> the source of clips that lies there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dvdgan.data.sources.array_file import ArrayFile
from dvdgan.data.sources.array_reading import ENDINGS
from dvdgan.data.sources.choices import Layout, ValueRange, Window
from dvdgan.data.sources.clip_source import ClipSource, Windowing
from dvdgan.data.sources.shard_set import ShardSet
from dvdgan.data.sources.video_folder import VideoFolder
from dvdgan.errors import UserError


@dataclass(frozen=True)
class Reading:
    """How clips are taken from what holds them; the defaults assert more than they assume."""

    frames: int | None = None
    """None: those of the clips in an array file, if one is opened."""
    window: Window = "first"
    resolution: int | None = None
    """Folders: resize to it. None: a video's own size, which all must have."""
    split: str = "train"
    layout: Layout | None = None
    value_range: ValueRange | None = None


def open_sources(places: Sequence[tuple[Path, int]], reading: Reading) -> list[ClipSource]:
    """The clips at each path, of frames so many apart, for each (path, stride) of ``places``.

    Array files are taken as they are, shard sets and folders of videos by the reading. Raises
    UserError where a path is none of these, or where it says less than ``reading`` must know.
    """
    arrays = {
        path: ArrayFile(path, reading.layout, reading.value_range)
        for path, _ in places
        if path.suffix in ENDINGS and path.is_file()
    }
    frames = reading.frames or next((each.shape[0] for each in arrays.values()), None)
    for path, array in arrays.items():
        asked = frames, reading.resolution or array.shape[1]
        if array.shape != asked:
            raise UserError(
                f"the array holds clips of {array.shape[0]} frames of {array.shape[1]} pixels, not "
                f"{asked[0]} of {asked[1]}",
                where=str(path),
                todo="arrays are taken as they are: cut or resize the clips before saving them",
            )
    return [
        arrays[path] if path in arrays else _folder(path, frames, stride, reading)
        for path, stride in places
    ]


def _folder(path: Path, frames: int | None, stride: int, reading: Reading) -> ClipSource:
    if not path.is_dir():
        raise UserError(
            f"{path} is no folder, and no {', '.join(ENDINGS)} file",
            todo="name a folder of videos, a shard set, or an array file",
        )
    if frames is None:
        raise UserError(
            "a video may be longer than a clip",
            where=str(path),
            todo="say how many frames a clip has, for instance --frames 16",
        )
    windowing = Windowing(frames, stride, reading.window)
    if (path / "index.json").is_file():
        return ShardSet(path, reading.split, windowing, reading.resolution)
    return VideoFolder(path, windowing, reading.resolution)
