"""A folder as a store: another disk, or a share on the network."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dvdgan.errors import UserError
from dvdgan.storage.local import CHUNK_BYTES, atomic_file, sha256_of_file
from dvdgan.storage.rate_limiter import RateLimiter
from dvdgan.storage.store import StoreEntry, StoreUnavailableError, checked

# What does not go away by waiting.
REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)


class FolderStore:
    """The files below ``root``; a key is a path in it. See Store for what each call does."""

    def __init__(self, root: Path, limiter: RateLimiter | None = None) -> None:
        self.root = root
        self._limiter = limiter or RateLimiter()

    def __str__(self) -> str:
        return str(self.root)

    def put(self, source: Path, key: str) -> None:
        target = self._path(key)
        with self._translated(), source.open("rb") as file:
            if target.is_file() and _same(source, target):
                return
            for left in target.parent.glob(f".{target.name}.*.tmp"):
                left.unlink(missing_ok=True)  # of a process that was killed
            with atomic_file(target) as aside:
                digest = self._copy(file, aside)
                _compare(aside, digest)

    def fetch(self, key: str, target: Path) -> None:
        with self._translated(), self._path(key).open("rb") as file, atomic_file(target) as aside:
            digest = self._copy(file, aside)
            _compare(aside, digest)

    def read(self, key: str, start: int, length: int) -> bytes:
        with self._translated(), self._path(key).open("rb") as file:
            self._limiter.take(length)
            file.seek(start)
            data = file.read(length)
        if len(data) != length:
            raise ValueError(f"{key} in {self} ends before byte {start + length}")
        return data

    def read_bytes(self, key: str) -> bytes:
        with self._translated():
            data = self._path(key).read_bytes()
        self._limiter.take(len(data))
        return data

    def write_bytes(self, key: str, data: bytes) -> None:
        self._limiter.take(len(data))
        with self._translated(), atomic_file(self._path(key)) as aside:
            aside.write_bytes(data)

    def size(self, key: str) -> int:
        with self._translated():
            return self._path(key).stat().st_size

    def sha256(self, key: str) -> str | None:
        with self._translated():
            return sha256_of_file(self._path(key))

    def open(self, key: str) -> BinaryIO:
        with self._translated():
            return self._path(key).open("rb")

    def keys(self, prefix: str = "") -> list[str]:
        return [entry.key for entry in self.entries(prefix)]

    def entries(self, prefix: str = "") -> list[StoreEntry]:
        with self._translated():
            return sorted(self._walk(prefix), key=lambda entry: entry.key)

    def any_entry(self) -> StoreEntry | None:
        with self._translated():
            return next(self._walk(""), None)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._translated():
            path.unlink(missing_ok=True)
            for folder in path.parents:
                if folder == self.root or not folder.is_dir() or any(folder.iterdir()):
                    return
                folder.rmdir()

    def _walk(self, prefix: str) -> Iterator[StoreEntry]:
        if not self.root.exists():
            return
        for folder, folders, names in os.walk(self.root, onerror=_raise):
            inside = Path(folder).relative_to(self.root)
            # Only folders on the way to the prefix, and those that begin with it, are read.
            paths = {name: (inside / name).as_posix() for name in folders}
            folders[:] = [
                name
                for name in folders
                if paths[name].startswith(prefix) or prefix.startswith(f"{paths[name]}/")
            ]
            keys = [(inside / name).as_posix() for name in names if not _aside(name)]
            for key in keys:
                path = self.root / key
                if key.startswith(prefix) and path.is_file():  # no pipe, no dangling link
                    status = path.stat()
                    yield StoreEntry(key, status.st_size, mtime_ns=status.st_mtime_ns)

    def _path(self, key: str) -> Path:
        return self.root / checked(key)

    def _copy(self, file: BinaryIO, target: Path) -> str:
        digest = hashlib.sha256()
        with target.open("wb") as copy:
            while chunk := file.read(CHUNK_BYTES):
                self._limiter.take(len(chunk))
                digest.update(chunk)
                copy.write(chunk)
        return digest.hexdigest()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno in REFUSALS:
                raise UserError(
                    f"the store's folder cannot be accessed: {error.strerror}",
                    where=str(error.filename or self.root),
                    todo="fix its permissions, or choose another folder",
                ) from error
            raise StoreUnavailableError(f"{self.root}: {error}") from error


def _same(one: Path, other: Path) -> bool:
    same_size = one.stat().st_size == other.stat().st_size
    return same_size and sha256_of_file(one) == sha256_of_file(other)


def _compare(copy: Path, sha256: str) -> None:
    if sha256_of_file(copy) != sha256:
        raise StoreUnavailableError(f"{copy} differs from what was written to it")


def _aside(name: str) -> bool:
    return name.startswith(".") and name.endswith(".tmp")


def _raise(error: OSError) -> None:
    raise error
