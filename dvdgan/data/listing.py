"""Lists the files below the root of the raw data, and entries that cannot be read as files.

Nothing is opened.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from dvdgan.data.refusal import Refusal, Refused
from dvdgan.errors import UserError
from dvdgan.storage.ignored import describe_ignored, ignored_as
from dvdgan.storage.store import is_key

# Frames of videos that were never put together.
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".ppm", ".exr"})


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A non-empty file; ``path`` is relative to the root, with slashes.

    ``size`` (bytes), and ``mtime_ns`` of a local file or ``etag`` of an object in a store, show
    whether it has changed since.
    """

    path: str
    size: int
    mtime_ns: int | None = None
    etag: str | None = None


@dataclass(frozen=True)
class Listing:
    """The contents of a root, folder by folder in the order of the names.

    ``ignored``: how many files and folders were left out, by the pattern of their names.
    """

    entries: list[ListedFile | Refused]
    ignored: "Counter[str]"

    @cached_property
    def files(self) -> dict[str, ListedFile]:
        """Path -> file."""
        return {entry.path: entry for entry in self.entries if isinstance(entry, ListedFile)}

    @cached_property
    def refused(self) -> list[Refused]:
        """Everything that cannot be read as a file."""
        return [entry for entry in self.entries if isinstance(entry, Refused)]

    @cached_property
    def top(self) -> set[str]:
        """The names of the files and folders directly below the root that hold files."""
        return {path.partition("/")[0] for path in self.files}


def list_folder(root: Path, where: str) -> Listing:
    """List all files below ``root``; `storage.ignored` decides what is left out.

    Links are followed, except to a parent folder of the link. Raises UserError at ``where`` when
    ``root`` is not a folder that can be read, or holds nothing.
    """
    if not root.is_dir():
        state = "is not a folder" if os.path.lexists(root) else "does not exist"
        raise UserError(
            f"the folder of videos {state}", where=where, todo="give a folder that contains videos"
        )
    ignored: Counter[str] = Counter()
    try:
        names = _names(root, ignored)
    except OSError as error:
        raise UserError(
            f"the folder of videos cannot be read: {_describe(error)}", where=where
        ) from error
    if not names:
        beside = f" except for {describe_ignored(ignored)}" if ignored else ""
        raise UserError(
            f"the folder of videos is empty{beside}",
            where=where,
            todo="give a folder that contains videos",
        )
    return Listing(list(_below(root, "", names, (_identity(root.stat()),), ignored)), ignored)


def listing_of(found: Iterable[ListedFile]) -> Listing:
    """The listing of the files of a store, in the order of `list_folder`."""
    entries: list[ListedFile | Refused] = []
    ignored: Counter[str] = Counter()
    for file in sorted(found, key=lambda each: each.path.split("/")):
        patterns = filter(None, map(ignored_as, PurePosixPath(file.path).parts))
        if (pattern := next(patterns, None)) is not None:
            ignored[pattern] += 1
        elif file.path.endswith("/"):
            continue  # what consoles store in place of a folder
        elif not is_key(file.path):
            detail = "an object of this name is not read"
            entries.append(Refused(file.path, Refusal.UNREADABLE, detail))
        elif file.size == 0:
            entries.append(Refused(file.path, Refusal.EMPTY_FILE, "0 bytes"))
        else:
            entries.append(file)
    return Listing(entries, ignored)


def refuse_pictures(root: str, listing: Listing) -> None:
    """Raise UserError if all files are pictures, by their names."""
    endings = {PurePosixPath(path).suffix for path in listing.files}
    if endings and all(ending.lower() in PICTURES for ending in endings):
        [ending, *_] = sorted(endings)
        raise UserError(
            f"the files are pictures ({ending}), not videos",
            where=root,
            todo="convert each folder of frames to a lossless video, with its frame rate:\n    "
            f"ffmpeg -framerate 25 -pattern_type glob -i 'FRAMES/*{ending}' -c:v libx264rgb "
            "-crf 0 VIDEO.mp4",
        )


def printable(path: str) -> str:
    """``path`` itself where it is UTF-8; else its foreign bytes as \\xNN."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


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


def _below(
    root: Path,
    folder: str,
    names: list[str],
    parents: tuple[tuple[int, int], ...],
    ignored: "Counter[str]",
) -> Iterator[ListedFile | Refused]:
    """The contents of ``folder``; ``parents`` identifies it and its parent folders."""
    for name in names:
        path = folder + name
        shown = printable(path)
        try:
            status = (root / path).stat()
            if not stat.S_ISDIR(status.st_mode):
                yield _file(path, shown, status)
                continue
            members = _names(root / path, ignored)
        except OSError as error:
            yield Refused(shown, Refusal.UNREADABLE, _describe(error))
            continue
        identity = _identity(status)
        if shown != path:
            detail = f"a folder with {len(members)} entries; rename it"
            yield Refused(shown, Refusal.NAME_NOT_UTF8, detail)
        elif identity in parents:
            yield Refused(shown, Refusal.LINK_LOOP, "a link to one of its own parent folders")
        elif not members:
            yield Refused(shown, Refusal.EMPTY_FOLDER, "contains no file")
        else:
            yield from _below(root, f"{path}/", members, (*parents, identity), ignored)


def _file(path: str, shown: str, status: os.stat_result) -> ListedFile | Refused:
    if not stat.S_ISREG(status.st_mode):
        return Refused(shown, Refusal.NOT_A_REGULAR_FILE, "a pipe, socket or device; not opened")
    if shown != path:
        return Refused(shown, Refusal.NAME_NOT_UTF8, "the name is not UTF-8; rename it")
    if status.st_size == 0:
        return Refused(shown, Refusal.EMPTY_FILE, "0 bytes")
    return ListedFile(path, status.st_size, status.st_mtime_ns)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _describe(error: OSError) -> str:
    return error.strerror or type(error).__name__
