"""Finds the files of <root>/<class>/<video>, and everything below the root that is not that."""

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dvdgan.data.refusal import Refusal, Refused
from dvdgan.errors import UserError
from dvdgan.storage.ignored import describe_ignored, ignored_as

LAYOUT = "name a folder that holds one folder of videos per class"
# Frames of videos that were never put together.
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".ppm", ".exr"})


@dataclass(frozen=True, slots=True)
class FoundVideo:
    """A non-empty regular file in a class folder, not opened yet; ``path`` is relative, posix.

    ``size`` (bytes) and ``mtime_ns`` show whether it has changed since it was last probed.
    """

    path: str
    label_name: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Scan:
    """What lies below a root, in the order of the paths.

    ``ignored``: how many files and folders were left out, by the pattern of their names.
    """

    entries: list[FoundVideo | Refused]
    ignored: "Counter[str]"

    @property
    def videos(self) -> list[FoundVideo]:
        return [entry for entry in self.entries if isinstance(entry, FoundVideo)]

    @property
    def refused(self) -> list[Refused]:
        return [entry for entry in self.entries if isinstance(entry, Refused)]


def scan(root: Path, where: str, flat: bool = False) -> Scan:
    """List the files to probe and refuse the rest; `storage.ignored` lists what is left out.

    Links are followed, but never deeper than root/class/file, so loops end. Nothing is opened.
    ``flat``: the files of a root without folders are videos of no class (""), too. Raises
    UserError at ``where`` when ``root`` is no folder that can be read, or holds nothing.
    """
    if not _is_folder(root):
        state = "is not a folder" if os.path.lexists(root) else "does not exist"
        raise UserError(f"the folder of videos {state}", where=where, todo=LAYOUT)
    ignored: Counter[str] = Counter()
    try:
        names = _names(root, ignored)
    except OSError as error:
        raise UserError(
            f"the folder of videos cannot be read: {_describe(error)}", where=where
        ) from error
    if not names:
        beside = f" but for {describe_ignored(ignored)}" if ignored else ""
        raise UserError(f"the folder of videos is empty{beside}", where=where, todo=LAYOUT)
    if flat and not any(_is_folder(root / name) for name in names):
        return Scan([_scan_member(root, name, label_name="") for name in names], ignored)
    return Scan([entry for name in names for entry in _scan_class(root, name, ignored)], ignored)


def refuse_pictures(root: Path, paths: Iterable[Path]) -> None:
    """Raise UserError where all ``paths`` below ``root`` are pictures, or folders of pictures.

    Of a folder the first file is looked at, by its name alone.
    """
    endings = set()
    for path in paths:
        file = _first_file(root / path) if (root / path).is_dir() else path
        ending = "" if file is None else file.suffix
        if ending.lower() not in PICTURES:
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
        return None  # reported where it is opened
    return min(names, default=None)


def _names(folder: Path, ignored: "Counter[str]") -> list[str]:
    """The names that may be data; the others are counted in ``ignored``."""
    kept = []
    for path in folder.iterdir():
        pattern = ignored_as(path.name)
        if pattern is None:
            kept.append(path.name)
        else:
            ignored[pattern] += 1
    return sorted(kept, key=os.fsencode)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # its own folder may not be entered
        return False


def _scan_class(root: Path, name: str, ignored: "Counter[str]") -> Iterator[FoundVideo | Refused]:
    shown = printable(name)
    try:
        if not stat.S_ISDIR((root / name).stat().st_mode):
            yield Refused(
                shown, Refusal.NOT_IN_A_CLASS_FOLDER, "lies beside the class folders, not in one"
            )
            return
        members = _names(root / name, ignored)
    except OSError as error:
        yield Refused(shown, Refusal.UNREADABLE, _describe(error))
        return
    if shown != name:
        yield Refused(
            shown, Refusal.NAME_NOT_UTF8, f"class folder with {len(members)} entries; rename it"
        )
    elif not members:
        yield Refused(shown, Refusal.EMPTY_CLASS, "holds no file")
    else:
        for member in members:
            yield _scan_member(root, f"{name}/{member}", label_name=name)


def _scan_member(root: Path, path: str, label_name: str) -> FoundVideo | Refused:
    shown = printable(path)
    try:
        status = (root / path).stat()
    except OSError as error:
        return Refused(shown, Refusal.UNREADABLE, _describe(error))
    if stat.S_ISDIR(status.st_mode):
        return Refused(shown, Refusal.IS_A_DIRECTORY, "a folder inside a class folder")
    if not stat.S_ISREG(status.st_mode):
        return Refused(shown, Refusal.NOT_A_REGULAR_FILE, "a pipe, socket or device; not opened")
    if shown != path:
        return Refused(shown, Refusal.NAME_NOT_UTF8, "the name is not UTF-8; rename it")
    if status.st_size == 0:
        return Refused(shown, Refusal.EMPTY_FILE, "0 bytes")
    return FoundVideo(path, label_name, status.st_size, status.st_mtime_ns)


def printable(path: str) -> str:
    """``path`` itself where it is UTF-8; else its foreign bytes as \\xNN."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


def _describe(error: OSError) -> str:
    return error.strerror or type(error).__name__
