"""Opens the source of clips at a path."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dvdgan.data.sources.array_file import ArrayFile
from dvdgan.data.sources.array_reading import ENDINGS
from dvdgan.data.sources.clip_source import ClipSource, Windowing
from dvdgan.data.sources.shard_set import ShardSet
from dvdgan.data.sources.video_folder import VideoFolder
from dvdgan.errors import UserError
from dvdgan.video.preprocessing import AxisOrder, Side, TemporalWindow, ValueRange


@dataclass(frozen=True)
class Place:
    """The location of the clips of one side, and the options of this side."""

    path: Path
    side: Side
    stride: int | None = None
    """Of videos; None: 1."""
    layout: AxisOrder | None = None
    """Of an array file, as value_range."""
    value_range: ValueRange | None = None

    @property
    def is_array(self) -> bool:
        return self.path.suffix in ENDINGS and self.path.is_file()

    @property
    def is_shard_set(self) -> bool:
        return (self.path / "index.json").is_file()


@dataclass(frozen=True)
class ReadOptions:
    """How clips of both sides are taken; the defaults assert more than they assume."""

    frames: int | None = None
    """None: those of the clips in an array file, if one is opened."""
    window: TemporalWindow = "first"
    resolution: int | None = None
    """Folders: resize to it. None: a video's own size, which all must have."""
    split: str = "train"


def open_sources(places: Sequence[Place], options: ReadOptions) -> list[ClipSource]:
    """The clips at each of ``places``.

    Array files are taken as they are, shard sets and folders of videos by ``options``. Raises
    UserError if a path is something else, where an option that is needed is missing, and for an
    option that has no influence.
    """
    for place in places:
        _refuse_unused_options(place)
    arrays = {
        place: ArrayFile(place.path, place.layout, place.value_range, place.side)
        for place in places
        if place.is_array
    }
    frames = options.frames or next((each.shape[0] for each in arrays.values()), None)
    for array in arrays.values():
        expected = frames, options.resolution or array.shape[1]
        if array.shape != expected:
            raise UserError(
                f"the array holds clips of {array.shape[0]} frames of {array.shape[1]} pixels, not "
                f"{expected[0]} of {expected[1]}",
                where=str(array.path),
                todo="arrays are not cut or resized: do so before saving the clips",
            )
    return [
        arrays[place] if place in arrays else _folder(place.path, frames, place.stride, options)
        for place in places
    ]


def _refuse_unused_options(place: Place) -> None:
    """Raise UserError for an option that has no effect on the clips at ``place``."""
    stride = "--stride" if place.side == "real" else "--generated-stride"
    unused: dict[str, object] = {
        f"--{place.side}-range": place.value_range,
        f"--{place.side}-layout": place.layout,
    }
    if not place.is_array and not place.path.is_dir():
        return  # it is refused for that
    kind = "are videos, whose value range and axes are known"
    if place.is_array:
        unused, kind = {stride: place.stride}, "are an array, whose clips are used unchanged"
    given = [name for name, value in unused.items() if value is not None]
    if given:
        raise UserError(
            f"the {place.side} clips {kind}",
            where=str(place.path),
            todo=f"leave out {' and '.join(given)}",
        )


def _folder(path: Path, frames: int | None, stride: int | None, options: ReadOptions) -> ClipSource:
    if not path.is_dir():
        raise UserError(
            f"{path} is neither a folder nor a {', '.join(ENDINGS)} file",
            todo="give a folder of videos, a shard set, or an array file",
        )
    if frames is None:
        raise UserError(
            "the number of frames per clip is required for videos",
            where=str(path),
            todo="set it, for instance --frames 16",
        )
    windowing = Windowing(frames, stride or 1, options.window)
    if (path / "index.json").is_file():
        return ShardSet(path, options.split, windowing, options.resolution)
    return VideoFolder(path, windowing, options.resolution)
