"""A store: files under keys, somewhere that outlives this machine. A folder or an S3 bucket."""

from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import unquote, urlsplit

from dvdgan.errors import UserError, redacted
from dvdgan.storage.pace import Pace

FORMS = "s3://BUCKET/PREFIX, file:///FOLDER or the path of a folder"


class StoreUnavailableError(Exception):
    """The store does not answer as it should, and may later: every retry is spent."""

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


def open_store(url: str, bytes_per_second: float | None = None) -> Store:
    """The store at `s3://BUCKET/PREFIX`, `file:///FOLDER` or a folder's path; nothing is asked yet.

    ``bytes_per_second``: at most so many are sent and fetched, on average; None: no limit. S3's
    endpoint and credentials come from boto3's ordinary places (AWS_ENDPOINT_URL, ...).
    Raises UserError for a URL that is none of these.
    """
    pace = Pace(bytes_per_second)
    scheme, there, _ = url.partition("://")
    if not there:
        if not url:
            raise UserError("the URL of a store is empty", todo=f"write {FORMS}")
        from dvdgan.storage.folder import FolderStore

        return FolderStore(Path(url), pace)
    parts = urlsplit(url)
    if scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        from dvdgan.storage.folder import FolderStore

        return FolderStore(Path(unquote(parts.path)), pace)
    if "@" in parts.netloc or parts.query:
        raise UserError(
            f"{url}: the URL of a store holds no credentials and no query",
            todo="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
        )
    if scheme == "s3" and parts.netloc:
        from dvdgan.storage.s3 import S3Store  # loading boto3 takes a second

        return S3Store(parts.netloc, parts.path.strip("/"), pace)
    raise UserError(f"{url} is not the URL of a store", todo=f"write {FORMS}")


def checked(key: str) -> str:
    """``key`` itself. Raises ValueError unless it is a plain relative path that stays inside."""
    if not key or str(PurePosixPath(key)) != key or key.startswith("/") or ".." in key.split("/"):
        raise ValueError(f"{key!r} is not a key")
    return key
