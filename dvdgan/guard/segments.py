"""Telemetry in a run's copy: each file as segments of bounded size, so that it is sent once.

A segment is named after its place and its sha256 and never changes. While a file grows only its
last segment is sent again; where a rollback has rewritten the end of the file, what differs is.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dvdgan.storage.store import Store

TELEMETRY = "telemetry"
# A run of 300,000 steps has some 740 of them; about half of one is sent again at every change.
SEGMENT_BYTES = 256 << 10


class RunChangedError(Exception):
    """A file of the run was cut or replaced while it was read: look again."""


@dataclass(frozen=True)
class Segments:
    """A file in the copy. ``size``: its bytes; ``names``: its segments in order."""

    size: int = 0
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path) -> "Segments":
        """The whole lines of ``path``, none where there is no file. Raises RunChangedError."""
        if not path.exists():
            return cls()
        with path.open("rb") as file:
            size = _end_of_whole_lines(file)
            starts = enumerate(range(0, size, SEGMENT_BYTES))
            names = [_name(number, _read(file, start, size)) for number, start in starts]
        return cls(size, tuple(names))

    def keys(self, file: str) -> list[str]:
        """The keys of the segments of ``file``."""
        return [f"{TELEMETRY}/{file}/{name}" for name in self.names]

    def send(self, path: Path, store: Store, there: set[str]) -> None:
        """Write those that are not ``there``. Raises RunChangedError, and what ``store`` does."""
        missing = [each for each in enumerate(self.keys(path.name)) if each[1] not in there]
        if not missing:
            return
        with path.open("rb") as file:
            for number, key in missing:
                data = _read(file, number * SEGMENT_BYTES, self.size)
                if _name(number, data) != self.names[number]:
                    raise RunChangedError(f"{path} was rewritten while it was copied")
                store.write_bytes(key, data)

    def read(self, file: str, store: Store) -> Iterator[bytes]:
        """The content of ``file``, a segment at a time. ValueError: one is damaged."""
        for number, key in enumerate(self.keys(file)):
            data = store.read_bytes(key)
            if _name(number, data) != self.names[number]:
                raise ValueError(f"{key} does not have the sha256 in its name")
            yield data


def _name(number: int, data: bytes) -> str:
    return f"{number:06d}-{hashlib.sha256(data).hexdigest()}"


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    length = min(SEGMENT_BYTES, end - start)
    data = file.read(length)
    if len(data) != length:
        raise RunChangedError(f"{file.name} became shorter while it was read")
    return data


def _end_of_whole_lines(file: BinaryIO) -> int:
    """Where the last line that is not cut off ends."""
    start = file.seek(0, os.SEEK_END)
    while start > 0:
        start = max(start - SEGMENT_BYTES, 0)
        file.seek(start)
        newline = file.read(SEGMENT_BYTES).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
    return 0
