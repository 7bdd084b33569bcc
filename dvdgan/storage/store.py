"""The interface of stores: files by key, in a folder or an S3 bucket (storage/open_store.py)."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from dvdgan.errors import redacted


class StoreUnavailableError(Exception):
    """The store is unavailable: all retries failed, but a later attempt may succeed."""

    def __init__(self, message: str) -> None:
        super().__init__(redacted(message))


@dataclass(frozen=True)
class StoreEntry:
    """One file as a listing shows it: its size in bytes, and what changes when it is written.

    A folder knows the time of the last write, in nanoseconds; S3 an ETag, without its quotes.
    """

    key: str
    size: int
    etag: str | None = None
    mtime_ns: int | None = None


class Store(Protocol):
    """Files under keys such as `checkpoints/step-00000010/manifest.json`.

    All methods raise StoreUnavailableError for temporary errors (network, server), UserError for
    errors that the user has to fix (credentials, a missing bucket), and FileNotFoundError for a
    missing key. Files are complete or missing. `str()` is the store's URL.
    """

    def put(self, source: Path, key: str) -> None:
        """Copy the file ``source`` to ``key``; nothing is sent where its very bytes are there."""

    def fetch(self, key: str, target: Path) -> None:
        """Copy ``key`` to the file ``target``: all of it or nothing, its sha256 compared."""

    def read(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes from byte ``start`` on; ValueError if the file is shorter.

        Safe to call from several threads, and after a fork.
        """

    def read_bytes(self, key: str) -> bytes:
        """All of a small file; ValueError if it is not what was uploaded."""

    def write_bytes(self, key: str, data: bytes) -> None:
        """Write a small file."""

    def size(self, key: str) -> int:
        """Its length in bytes."""

    def sha256(self, key: str) -> str | None:
        """Of its bytes, in hex; None if the store does not know it, as `put` was not used."""

    def open(self, key: str) -> BinaryIO:
        """``key`` for reading, seekable; its `name` is its URL.

        From S3 it is read in blocks of 8 MiB, the first of them now, and keeps the last four: a
        file of up to 32 MiB is transferred once, in whatever order it is read. One that is
        replaced meanwhile raises StoreUnavailableError.
        """

    def entries(self, prefix: str = "") -> list[StoreEntry]:
        """All files whose keys begin with ``prefix``, by key; from S3 a request for each 1,000.

        Other programs may have written objects to S3 whose names are not keys, such as `a//b` or
        `a/`: they are listed, and all other methods raise ValueError for them.
        """

    def keys(self, prefix: str = "") -> list[str]:
        """The keys of `entries`."""

    def any_entry(self) -> StoreEntry | None:
        """Any one file, in one request; None if there is none."""

    def delete(self, key: str) -> None:
        """Remove ``key``; nothing happens where it is not there."""


def is_key(key: str) -> bool:
    """Whether ``key`` is a plain relative path that stays inside."""
    plain = bool(key) and str(PurePosixPath(key)) == key
    return plain and not key.startswith("/") and ".." not in key.split("/")


def checked(key: str) -> str:
    """``key`` itself. Raises ValueError unless it is a key."""
    if not is_key(key):
        raise ValueError(f"{key!r} is not a key")
    return key
