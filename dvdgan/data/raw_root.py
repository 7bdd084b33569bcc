"""The root of the raw data: a folder, a bucket that is read by ranges, or a listing of either."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from dvdgan.data.listing import ListedFile, Listing, list_folder, listing_of
from dvdgan.data.listing_file import read_listing, read_root
from dvdgan.data.refusal import Refusal
from dvdgan.errors import UserError
from dvdgan.storage.open_store import open_store

if TYPE_CHECKING:
    from dvdgan.storage.store import Store


# What ends DVC's hashing of a folder, with an error or never.
NOT_HASHED = (Refusal.NOT_A_REGULAR_FILE, Refusal.UNREADABLE, Refusal.NAME_NOT_UTF8)


class RawRoot(Protocol):
    """The files below index.root. `str()` is its place, for messages. Can be pickled."""

    def list(self) -> Listing:
        """List all files. Raises UserError if there are none, and StoreUnavailableError."""

    def open(self, path: str) -> BinaryIO:
        """The bytes of a file, seekable. Raises OSError, StoreUnavailableError."""

    def read(self, path: str, start: int, length: int) -> bytes:
        """``length`` bytes of a file from byte ``start`` on, in one request.

        Raises OSError, also where the file ends before, and StoreUnavailableError.
        """

    def local(self, path: str) -> Path | None:
        """The file itself, where it is on a disk."""


class LocalRoot:
    """A folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def list(self) -> Listing:
        return list_folder(self.folder, where=f"index.root = {self.folder}")

    def open(self, path: str) -> BinaryIO:
        return (self.folder / path).open("rb")

    def read(self, path: str, start: int, length: int) -> bytes:
        with (self.folder / path).open("rb", buffering=0) as file:
            file.seek(start)
            data = file.read(length)
        if len(data) < length:
            raise OSError(f"the file ends at byte {start + len(data)}")
        return data

    def local(self, path: str) -> Path | None:
        return self.folder / path


class StoredRoot:
    """A store: nothing is copied to disk, and a file is read as far as it is needed."""

    def __init__(self, store: "Store") -> None:
        self.store = store

    def __str__(self) -> str:
        return str(self.store)

    def list(self) -> Listing:
        found = [
            ListedFile(entry.key, entry.size, entry.mtime_ns, entry.etag)
            for entry in self.store.entries()
        ]
        if not found:
            raise UserError(
                "no files were found",
                where=f"index.root = {self}",
                todo="give a prefix that contains videos",
            )
        return listing_of(found)

    def open(self, path: str) -> BinaryIO:
        return self.store.open(path)

    def read(self, path: str, start: int, length: int) -> bytes:
        try:
            return self.store.read(path, start, length)
        except ValueError as error:
            raise OSError(str(error)) from error

    def local(self, path: str) -> Path | None:
        return None


class ListedRoot:
    """A root that was listed before: `list` reads the listing, so that all machines see the same.

    ``file``: what `dvdgan listing` wrote.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._root = open_root(read_root(file))

    def __str__(self) -> str:
        return str(self._root)

    def list(self) -> Listing:
        return read_listing(self.file)

    def open(self, path: str) -> BinaryIO:
        return self._root.open(path)

    def read(self, path: str, start: int, length: int) -> bytes:
        return self._root.read(path, start, length)

    def local(self, path: str) -> Path | None:
        return self._root.local(path)


def open_root(place: str) -> RawRoot:
    """The root at ``place``: a folder, `s3://BUCKET/PREFIX` or a listing. Raises UserError."""
    if "://" in place:
        return StoredRoot(open_store(place))
    path = Path(place)
    return ListedRoot(path) if path.is_file() else LocalRoot(path)


def refuse_what_stops_dvc(place: str) -> None:
    """Raise UserError if DVC cannot hash the folder at ``place``: it fails or waits for ever."""
    folder = Path(place)
    if "://" in place or not folder.is_dir() or not any(folder.iterdir()):
        return
    found = [each for each in LocalRoot(folder).list().refused if each.reason in NOT_HASHED]
    if not found:
        return
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    names = ", ".join(f"{each.path} ({each.reason.value})" for each in found[:3])
    raise UserError(
        f"DVC cannot hash {names}{more}",
        where=f"index.root = {place}",
        todo=f"remove them, or write a listing with `dvdgan listing FILE --root {place}` and set "
        "index.root to it (docs/raw_data.md)",
    )


@contextmanager
def opened(root: RawRoot, path: str) -> Iterator["Path | BinaryIO"]:
    """What a decoder reads: the file on the disk, else its bytes."""
    local = root.local(path)
    if local is not None:
        yield local
    else:
        with root.open(path) as file:
            yield file


def read_text(root: RawRoot, path: str) -> str:
    """A small UTF-8 file, such as a table. Raises UserError if it is not valid."""
    try:
        with root.open(path) as file:
            return file.read().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"the table cannot be read: {error}",
            where=f"{root}/{path}",
            todo="save it as UTF-8 text",
        ) from error
