"""What a store does: files under keys, in a folder or an S3 bucket (storage/open_store.py)."""

from pathlib import Path, PurePosixPath
from typing import Protocol

from dvdgan.errors import redacted


class StoreUnavailableError(Exception):
    """The store does not answer as it should, and may later: all retries failed."""

    def __init__(self, message: str) -> None:
        super().__init__(redacted(message))


class Store(Protocol):
    """Files under keys such as `checkpoints/step-00000010/manifest.json`.

    All of them raise StoreUnavailableError for what may pass (the network, the server), UserError
    for what the user has to mend (credentials, a bucket that is not there), and FileNotFoundError
    for a key that is not there. A file is there whole or not at all. `str()` is its URL.
    """

    def put(self, source: Path, key: str) -> None:
        """Copy the file ``source`` to ``key``; nothing is sent where its very bytes are there."""

    def fetch(self, key: str, target: Path) -> None:
        """Copy ``key`` to the file ``target``: all of it or nothing, its sha256 compared."""

    def read(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes from byte ``start`` on; ValueError where the file is shorter.

        Safe to call from several threads, and after a fork.
        """

    def read_bytes(self, key: str) -> bytes:
        """All of a small file."""

    def write_bytes(self, key: str, data: bytes) -> None:
        """Write a small file."""

    def size(self, key: str) -> int:
        """Its length in bytes."""

    def sha256(self, key: str) -> str | None:
        """Of its bytes, in hex; None where the store does not know it, as `put` was not used."""

    def keys(self, prefix: str = "") -> list[str]:
        """All keys that begin with ``prefix``, sorted."""

    def delete(self, key: str) -> None:
        """Remove ``key``; nothing happens where it is not there."""


def checked(key: str) -> str:
    """``key`` itself. Raises ValueError unless it is a plain relative path that stays inside."""
    if not key or str(PurePosixPath(key)) != key or key.startswith("/") or ".." in key.split("/"):
        raise ValueError(f"{key!r} is not a key")
    return key
