"""One video of the raw data: a file, a range of its time, or a member of an archive of videos."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dvdgan.data.raw_root import RawRoot, opened
from dvdgan.storage.local import CHUNK_BYTES, sha256_of_file
from dvdgan.video import decode
from dvdgan.video.decode import VideoFacts


@dataclass(frozen=True, slots=True)
class RawVideo:
    """What names a video, and shows whether it has changed: see ListedFile and VideoRow."""

    path: str
    size: int
    mtime_ns: int | None = None
    etag: str | None = None
    member: str | None = None
    start: float | None = None
    end: float | None = None

    @property
    def id(self) -> str:
        """16 hex digits of its path, member and range."""
        parts = (self.member, self.start, self.end)
        beside = "" if parts == (None, None, None) else "\0" + "\0".join(map(str, parts))
        return hashlib.sha256((self.path + beside).encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """Its path, and which part of the file it is."""
        if self.member is not None:
            return f"{self.path} ({self.member})"
        if (self.start, self.end) == (None, None):
            return self.path
        end = "the end" if self.end is None else f"{self.end:g}"
        return f"{self.path} (seconds {self.start or 0:g} to {end})"

    def sha256(self, root: RawRoot) -> str:
        """Of the bytes of the file or member. Raises OSError, StoreUnavailableError."""
        with _bytes_of(self, root) as file:
            if isinstance(file, Path):
                return sha256_of_file(file)
            digest = hashlib.sha256()
            while data := file.read(CHUNK_BYTES):
                digest.update(data)
            return digest.hexdigest()

    def probe(self, root: RawRoot, max_pixels: int) -> VideoFacts:
        """Decode all of it; see `decode.probe`."""
        with _bytes_of(self, root) as file:
            return decode.probe(file, max_pixels, self.start, self.end)

    def frames(self, root: RawRoot) -> Iterator[NDArray[np.uint8]]:
        """Every frame, (H, W, 3) uint8 RGB in [0, 255]; see `decode.frames`."""
        with _bytes_of(self, root) as file:
            yield from decode.frames(file, self.start, self.end)


def video_of(row: dict[str, Any]) -> RawVideo:
    """The video of a row of the manifest."""
    return RawVideo(
        row["path"], row["bytes"], member=row["member"], start=row["start"], end=row["end"]
    )


@contextmanager
def _bytes_of(video: RawVideo, root: RawRoot) -> Iterator[Path | BinaryIO]:
    with opened(root, video.path) as file:
        yield file
