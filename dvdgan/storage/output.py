"""Outputs at paths that the user gives; only files that this program wrote are replaced.

An output folder holds RECORD, a list of the files written there with their sha256. An output file
is JSON that holds the sha256 of its own content, or any file that the RECORD of its folder lists.
Whatever is not listed, or was changed since, belongs to the user.
"""

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvdgan.errors import UserError
from dvdgan.storage.local import (
    atomic_directory,
    make_folder,
    read_json,
    sha256_of_file,
    write_bytes,
    write_json,
)

RECORD = ".dvdgan-output.json"
DIGEST = "sha256"

# Half-written files get a longer name than the finished one; file systems allow 255 bytes.
LONGEST_NAME = 200
SHOWN = 5

ANOTHER = "choose another path, or move the existing files away"


def check_output_folder(path: Path) -> None:
    """Raise UserError unless a folder of results may be written at ``path``.

    Nothing may be there, or an empty folder, or one with nothing but unchanged files of an
    earlier output. To be called before any work; `output_folder` checks again.
    """
    if not _is_replaceable(path, stat.S_ISDIR, "a folder"):
        return
    kept = users_files(path)
    if kept:
        shown = ", ".join(kept[:SHOWN]) + (", ..." if len(kept) > SHOWN else "")
        raise UserError(
            f"{path} holds files that dvdgan did not write, or that were changed since: {shown}",
            where=str(path.absolute()),
            todo=f"{ANOTHER}; nothing was written",
        )


def check_output_file(path: Path, is_ours: Callable[[Path], bool] | None = None) -> None:
    """Raise UserError unless a result may be written at ``path``.

    Nothing may be there, or an earlier result: one that ``is_ours`` accepts, by default JSON that
    is unchanged. To be called before any work; `write_output` checks again.
    """
    if _is_replaceable(path, stat.S_ISREG, "a file") and not (is_ours or _is_unchanged)(path):
        raise UserError(
            f"{path} is a file that dvdgan did not write, or that was changed since",
            where=str(path.absolute()),
            todo=f"{ANOTHER}; nothing was written",
        )


def check_recorded_file(path: Path) -> None:
    """Raise UserError unless a file of any format may be written at ``path``.

    Nothing may be there, or an unchanged file of an earlier output. To be called before any work;
    `write_recorded_file` checks again.
    """
    there = _is_replaceable(path, stat.S_ISREG, "a file")
    listed = _recorded(path.parent)
    if there and not _has(path, (listed or {}).get(path.name, "")):
        raise UserError(
            f"{path} is a file that dvdgan did not write, or that was changed since",
            where=str(path.absolute()),
            todo=f"{ANOTHER}; nothing was written",
        )
    if listed is None and os.path.lexists(path.parent / RECORD):
        raise _refused(path.parent / RECORD, "is not a list of files that dvdgan wrote")


def check_stage_output(path: Path) -> None:
    """Raise UserError if a folder of the pipeline cannot be put at ``path``.

    DVC owns what is in it, so any folder may be replaced, but no file and no link.
    """
    _is_replaceable(path, stat.S_ISDIR, "a folder")


@contextmanager
def output_folder(path: Path) -> Iterator[Path]:
    """Give a folder to fill; on success it takes the place of ``path``, with a RECORD of its files.

    Raises UserError as check_output_folder does, and then changes nothing.
    """
    check_output_folder(path)
    with atomic_directory(path) as aside:
        yield aside
        write_record(aside)
        check_output_folder(path)  # work takes long: a file may have been put there meanwhile


def write_output(path: Path, document: dict[str, Any]) -> None:
    """Write ``document`` as JSON with its own sha256, so that a later run knows it unchanged.

    Raises UserError as check_output_file does, and then changes nothing.
    """
    check_output_file(path)
    write_json(path, sealed(document))


def write_recorded_file(path: Path, content: bytes) -> None:
    """Write ``content`` and list it in the RECORD of its folder, so that a later run knows it.

    Raises UserError as check_recorded_file does, and then changes nothing.
    """
    check_recorded_file(path)
    make_folder(path.parent)
    write_bytes(path, content)
    listed = (_recorded(path.parent) or {}) | {path.name: hashlib.sha256(content).hexdigest()}
    write_json(path.parent / RECORD, {"files": listed})


def sealed(document: dict[str, Any]) -> dict[str, Any]:
    """``document`` with the sha256 of its content."""
    return document | {DIGEST: _digest(document)}


def is_sealed(document: Any) -> bool:
    """Whether ``document``, as read from JSON, is as `sealed` returned it."""
    if not isinstance(document, dict) or DIGEST not in document:
        return False
    content = {key: value for key, value in document.items() if key != DIGEST}
    return bool(document[DIGEST] == _digest(content))


def write_record(folder: Path) -> None:
    """Write the RECORD of all files now in ``folder``."""
    files = {str(file.relative_to(folder)): sha256_of_file(file) for file in _files(folder)}
    write_json(folder / RECORD, {"files": files})


def users_files(folder: Path) -> list[str]:
    """The files below ``folder`` that its RECORD does not list with their present sha256, sorted.

    Without a RECORD these are all files. Empty folders count as files; Python's bytecode does not.
    """
    listed = _recorded(folder) or {}
    return [
        name
        for name, file in ((str(file.relative_to(folder)), file) for file in _files(folder))
        if name not in listed or not _has(file, listed[name])
    ]


def _files(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink() and any(entry.iterdir()):
            if entry.name != "__pycache__":
                yield from _files(entry)
        elif entry.name != RECORD:
            yield entry


def _recorded(folder: Path) -> dict[str, str] | None:
    """The files of the folder's RECORD with their sha256; None without one that dvdgan wrote."""
    try:
        listed = read_json(folder / RECORD)["files"]
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return None  # no record that this program wrote: all files are the user's
    return listed if isinstance(listed, dict) else None


def _has(file: Path, sha256: str) -> bool:
    return file.is_file() and not file.is_symlink() and sha256_of_file(file) == sha256


def _is_unchanged(path: Path) -> bool:
    try:
        return is_sealed(read_json(path))
    except (ValueError, RecursionError):
        return False  # not JSON: the user's


def _digest(document: dict[str, Any]) -> str:
    as_read = json.loads(json.dumps(document))  # keys are strings, as they will be in the file
    return hashlib.sha256(json.dumps(as_read, sort_keys=True).encode()).hexdigest()


def _is_replaceable(path: Path, is_kind: Any, kind: str) -> bool:
    """Whether something of the right kind is at ``path``. UserError if nothing can be put."""
    try:
        there = _status(path)
        _refuse_place(path)
        if there is not None and not is_kind(there.st_mode):
            raise _refused(path, f"is {_kind(there.st_mode)}, but {kind} is to be written there")
        _probe(path)
    except OSError as error:
        raise _refused(path, f"cannot be written: {error.strerror}") from error
    return there is not None


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise _refused(path, "is below a file") from None


def _refuse_place(path: Path) -> None:
    """Raise UserError for places that hold more than one output, whatever is there now."""
    if path.name in ("", "..") or _holds_cwd_or_home(path):
        raise _refused(path, "is the current folder, your home folder, or one that holds it")
    if path.is_mount():
        raise _refused(path, "is a mount point, which cannot be replaced")
    if path.parts[0].startswith("~") and not os.path.lexists(path.parts[0]):
        raise _refused(path, "begins with ~, which the shell did not expand")
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise _refused(path, f"has a name of more than {LONGEST_NAME} bytes")


def _holds_cwd_or_home(path: Path) -> bool:
    real = Path(os.path.realpath(path))
    home = os.path.expanduser("~")  # noqa: PTH111  (Path.home raises where there is none)
    inside = (Path.cwd(), Path(os.path.realpath(home)))
    return any(real == each or real in each.parents for each in inside)


def _probe(path: Path) -> None:
    """Raise OSError or UserError unless files can be made where ``path`` is to be."""
    above = next(each for each in path.absolute().parents if os.path.lexists(each))
    if not above.is_dir():
        raise _refused(path, f"is below {above}, which is not a folder")
    for folder in (above, path):
        if folder.is_dir():
            with tempfile.TemporaryFile(dir=folder):
                pass


def _refused(path: Path, why: str) -> UserError:
    return UserError(f"{path} {why}", where=str(path.absolute()), todo=ANOTHER)


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFREG: "a file", stat.S_IFLNK: "a link"}
    return kinds.get(stat.S_IFMT(mode), "a device, pipe or socket")
