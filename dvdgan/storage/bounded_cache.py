"""A folder of bytes by key that never holds more than a bound; any number of processes share it.

An entry is its bytes, then the CRC-32 of each CHUNK_BYTES of them: whatever part is read, it is
known to be whole. Entries are written aside and renamed, under a lock that the system frees
when a process is killed; those used longest ago make room.
"""

import fcntl
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from dvdgan.errors import UserError

CHUNK_BYTES = 64 << 10
CHECKSUM = np.dtype("<u4")
# What is left after making room, of the bound: entries are listed once for many of them.
KEPT = 0.9
LOCK, TOTAL, WARNING = "lock", "total", "warning"


class BoundedCache:
    """The entries in ``folder``, of at most ``max_bytes`` together with what checks them.

    A key is hexadecimal digits and hyphens. Whoever reads has to be able to do without: `read`
    gives None, and `put` keeps nothing, where that cannot be done.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Raises UserError if ``folder`` cannot be made or written to."""
        self.folder, self.max_bytes = folder, max_bytes
        self._writes = True
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in (LOCK, WARNING):
                (folder / name).touch()
        except OSError as error:
            raise UserError(
                f"the cache cannot be used: {error.strerror}",
                where=str(folder),
                todo="set stores.shard_cache (DVDGAN_SHARD_CACHE) to a "
                "writable folder, or remove it",
            ) from error

    def takes(self, size: int) -> bool:
        """Whether an entry of ``size`` bytes would fit."""
        return self._writes and _file_size(size) <= KEPT * self.max_bytes

    def read(self, key: str, size: int, start: int, length: int) -> bytes | None:
        """``length`` bytes from byte ``start`` on of the entry of ``size`` bytes.

        None if it is not there. One that is damaged is removed.
        """
        path = self._path(key)
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError:
            return None
        try:
            data = _checked_bytes(file, size, start, length)
        except OSError:
            data = None
        finally:
            os.close(file)
        with suppress(OSError):  # it is gone, or another user's
            if data is None:
                path.unlink()
            else:
                os.utime(path)  # used now
        return data

    def put(self, key: str, data: bytes) -> None:
        """Keep ``data``, if there is room: entries used longest ago are removed for it.

        If the disk is full or refuses, a line on stderr says so once, and this process keeps
        nothing any more.
        """
        if not self.takes(len(data)):
            return
        path = self._path(key)
        try:
            with self._locked():
                if not path.exists():
                    self._reserve(_file_size(len(data)))
                    self._write(path, data)
        except OSError as error:
            self._writes = False
            self._warn(error)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # Opened each time: threads lock against each other, and forks share nothing.
        with (self.folder / LOCK).open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _reserve(self, size: int) -> None:
        """Account for ``size`` bytes; before they are written, so that a kill leaves no less."""
        total = self._total()
        if total is None or total + size > self.max_bytes:
            total = self._make_room(size)
        (self.folder / TOTAL).write_text(str(total + size))

    def _total(self) -> int | None:
        try:
            return int((self.folder / TOTAL).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _make_room(self, size: int) -> int:
        """Remove entries until ``size`` more bytes fit; the bytes of those that are left."""
        found = []
        for entry in (entry for folder in self._folders() for entry in os.scandir(folder)):
            status = entry.stat()
            if entry.name.endswith(".tmp"):  # of a killed process: nobody else writes now
                Path(entry.path).unlink()
            else:
                found.append((status.st_mtime_ns, status.st_size, entry.path))
        total = sum(length for _, length, _ in found)
        most = self.max_bytes if total + size <= self.max_bytes else KEPT * self.max_bytes
        for _, length, path in sorted(found):
            if total + size <= most:
                break
            Path(path).unlink(missing_ok=True)  # a reader removes a damaged one
            total -= length
        return total

    def _folders(self) -> Iterator[str]:
        with os.scandir(self.folder) as entries:
            yield from (entry.path for entry in entries if entry.is_dir())

    def _write(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(exist_ok=True)
        aside = path.with_name(f"{path.name}.tmp")
        try:
            with aside.open("wb") as file:
                file.write(data)
                file.write(_checksums(data).tobytes())
            aside.replace(path)  # not synced: what a power cut damages is found by its checksums
        except OSError:
            aside.unlink(missing_ok=True)
            raise

    def _warn(self, error: OSError) -> None:
        """Once for all processes at work: who has the lock, until it ends, has said it."""
        try:
            self._warning = (self.folder / WARNING).open("rb")
            fcntl.flock(self._warning, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        except OSError as gone:
            error = gone
        what = f"shard cache: {self.folder} cannot be written any more: {error.strerror}"
        print(f"{what}; shards are read without it", file=sys.stderr, flush=True)


def _file_size(size: int) -> int:
    return size + CHECKSUM.itemsize * -(-size // CHUNK_BYTES)


def _checksums(data: bytes) -> np.ndarray:
    view = memoryview(data)
    starts = range(0, len(data), CHUNK_BYTES)
    return np.array([zlib.crc32(view[at : at + CHUNK_BYTES]) for at in starts], CHECKSUM)


def _checked_bytes(file: int, size: int, start: int, length: int) -> bytes | None:
    """None if the entry is not ``size`` bytes long, or what is read is not what was written."""
    if os.fstat(file).st_size != _file_size(size):
        return None
    first, last = start // CHUNK_BYTES, -(-(start + length) // CHUNK_BYTES)
    begin = first * CHUNK_BYTES
    data = os.pread(file, min(last * CHUNK_BYTES, size) - begin, begin)
    width = CHECKSUM.itemsize
    kept = os.pread(file, width * (last - first), size + width * first)
    if _checksums(data).tobytes() != kept:
        return None
    return data[start - begin : start - begin + length]
