"""What lies below the root: <root>/<class>/<video>, and everything that is not that."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dvdgan.data.refusal import Refusal, Refused
from dvdgan.errors import UserError


@dataclass(frozen=True, slots=True)
class Candidate:
    """A non-empty regular file in a class folder, not opened yet; ``path`` is relative, posix.

    ``size`` (bytes) and ``mtime_ns`` tell whether it has changed since it was last probed.
    """

    path: str
    label_name: str
    size: int
    mtime_ns: int


def scan(root: Path) -> tuple[list[Candidate], list[Refused]]:
    """List the files to probe and refuse the rest, both in the order of their paths.

    Links are followed, but never deeper than root/class/file, so loops end. Nothing is opened.
    Raises UserError where ``root`` is no folder or holds nothing.
    """
    if not root.is_dir():
        raise UserError(
            "the folder of videos does not exist",
            where=f"index.root = {root}",
            todo="set index.root to a folder that holds one folder of videos per class",
        )
    found = [item for name in _names(root) for item in _scan_class(root, name)]
    if not found:
        raise UserError(
            "the folder of videos is empty",
            where=f"index.root = {root}",
            todo="put one folder of videos per class there",
        )
    candidates = [item for item in found if isinstance(item, Candidate)]
    return candidates, [item for item in found if isinstance(item, Refused)]


def _names(folder: Path) -> list[str]:
    return sorted((entry.name for entry in folder.iterdir()), key=os.fsencode)


def _scan_class(root: Path, name: str) -> Iterator[Candidate | Refused]:
    shown = printable(name)
    try:
        if not stat.S_ISDIR((root / name).stat().st_mode):
            yield Refused(
                shown, Refusal.NOT_IN_A_CLASS_FOLDER, "lies beside the class folders, not in one"
            )
            return
        members = _names(root / name)
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


def _scan_member(root: Path, path: str, label_name: str) -> Candidate | Refused:
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
    return Candidate(path, label_name, status.st_size, status.st_mtime_ns)


def printable(path: str) -> str:
    """``path`` itself where it is UTF-8; else its foreign bytes as \\xNN."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


def _describe(error: OSError) -> str:
    return error.strerror or type(error).__name__
