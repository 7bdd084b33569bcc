"""Files and folders on a local disk: written whole or not at all, hashed, published."""

import errno
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvdgan.storage.exchange import exchange
from dvdgan.storage.ignored import without_ignored
from dvdgan.storage.reading import reading

CHUNK_BYTES = 1 << 20


def is_full(error: OSError) -> bool:
    """Whether a write failed for want of room, on the disk or in the user's quota."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def sha256_of_file(path: Path) -> str:
    """The sha256 of a file's bytes, as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of_tree(root: Path, pattern: str) -> str:
    """One sha256 over the names and bytes of all files below ``root`` that match ``pattern``.

    Hidden files and an editor's leftovers do not count.
    """
    digest = hashlib.sha256()
    for path in without_ignored(root.rglob(pattern), root):
        digest.update(f"{path.relative_to(root)}\0{sha256_of_file(path)}\n".encode())
    return digest.hexdigest()


def sync_directory(path: Path) -> None:
    """Have the names in a folder outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a path to write to; on success it is fsynced and renamed to ``path``, else removed."""
    make_folder(path.parent)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield aside
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
        sync_directory(path.parent)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Give a folder to fill; on success it takes the place of ``path``, else it is removed.

    All in it is fsynced first. What killed processes left of earlier calls is removed.
    """
    make_folder(path.parent)
    _recover(path)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        if _is_abandoned(left):
            _remove(left)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    aside.mkdir()
    try:
        yield aside
        _sync_tree(aside)
        replace_directory(aside, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def replace_directory(new: Path, path: Path) -> None:
    """Rename the folder ``new``, synced already, to ``path``, and remove what was there.

    Killed at any moment, ``path`` is the old folder or the new one. Where the file system cannot
    exchange two paths, the old one may be left aside; the next call for ``path``, or
    remove_abandoned, puts it back. Raises NotADirectoryError if ``path`` is a file or a link.
    """
    _recover(path)
    old = None
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    if not path.exists():
        new.replace(path)
    elif exchange(new, path):
        old = new
    else:
        old = path.replace(_left_aside(path))
        new.replace(path)
    for parent in {path.parent, new.parent}:
        sync_directory(parent)
    if old is not None:
        shutil.rmtree(old)


def remove_abandoned(folder: Path) -> None:
    """Remove what killed processes were writing into ``folder`` when they died."""
    for left in folder.glob(".*.old"):
        _recover(folder / left.name.removeprefix(".").removesuffix(".old"))
    for left in folder.glob(".*.tmp"):
        _remove(left)


def make_folder(path: Path) -> None:
    """Make ``path`` and its parents where they are missing, so that they outlive a power cut."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for each in reversed(missing):
        sync_directory(each.parent)


def _left_aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _recover(path: Path) -> None:
    """Undo a replacement of ``path`` that was killed between two renames."""
    old = _left_aside(path)
    if old.exists() and path.exists():
        shutil.rmtree(old)
    elif old.exists():
        old.replace(path)
        sync_directory(path.parent)


def _is_abandoned(aside: Path) -> bool:
    """Whether it is named after a process that is gone, or after this one."""
    process = aside.name.split(".")[-2]
    gone = process.isdecimal() and not Path("/proc", process).exists()
    return gone or process == str(os.getpid())


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _sync_tree(root: Path) -> None:
    for folder, _, names in os.walk(root, topdown=False):
        for path in (Path(folder, name) for name in names):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        sync_directory(Path(folder))


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, atomically."""
    with atomic_file(path) as aside:
        aside.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as readable JSON, atomically; equal values give equal bytes."""
    with atomic_file(path) as aside:
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        # A path that is not UTF-8 holds lone surrogates, which become JSON's own escapes.
        aside.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def read_json(path: Path) -> Any:
    """Read a JSON file (UTF-8). Raises DamagedFileError if it is not one."""
    with reading(path, "JSON"):
        return json.loads(path.read_text(encoding="utf-8"))


def link_or_copy(source: str, target: str) -> None:
    """Hard-link a finished file, or copy it where the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        with atomic_file(Path(target)) as aside:
            shutil.copy2(source, aside)


def publish(source: Path, target: Path) -> None:
    """Make ``target`` a folder with the same files as ``source``: linked where possible.

    ``source`` must not be changed in place afterwards (write aside and rename instead).
    """
    with atomic_directory(target) as aside:
        shutil.copytree(source, aside, copy_function=link_or_copy, dirs_exist_ok=True)
