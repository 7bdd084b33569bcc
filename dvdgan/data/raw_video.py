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
from dvdgan.data.robot_record import robot_facts, robot_frames
from dvdgan.data.tfrecord import SUFFIXES, DamagedRecordError, read_record
from dvdgan.storage.local import CHUNK_BYTES, sha256_of_file
from dvdgan.storage.range_reader import RangeReader, buffered
from dvdgan.video import decode
from dvdgan.video.decode import VideoError, VideoFacts, VideoProblem


@dataclass(frozen=True, slots=True)
class RawVideo:
    """What names a video, and shows whether it has changed: see ListedFile and VideoRow."""

    path: str
    size: int
    mtime_ns: int | None = None
    etag: str | None = None
    member: str | None = None
    offset: int | None = None
    length: int | None = None
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

    @property
    def own_bytes(self) -> int:
        """How many bytes its file or member has."""
        return self.size if self.length is None else self.length

    @property
    def _is_record(self) -> bool:
        return self.member is not None and self.path.lower().endswith(SUFFIXES)

    def sha256(self, root: RawRoot) -> str:
        """Of the bytes of the file, member or record.

        Raises OSError, StoreUnavailableError; VideoError for a record whose checksum is wrong.
        """
        if self._is_record:
            return hashlib.sha256(_record(self, root)).hexdigest()
        with _bytes_of(self, root) as file:
            if isinstance(file, Path):
                return sha256_of_file(file)
            digest = hashlib.sha256()
            while data := file.read(CHUNK_BYTES):
                digest.update(data)
            return digest.hexdigest()

    def probe(self, root: RawRoot, max_pixels: int, keep_damaged: bool = False) -> VideoFacts:
        """Decode all of it; see `decode.probe`. A record is never kept in part."""
        if self._is_record:
            return robot_facts(_record(self, root), max_pixels)
        with _bytes_of(self, root) as file:
            return decode.probe(file, max_pixels, self.start, self.end, keep_damaged)

    def frames(self, root: RawRoot, count: int | None = None) -> Iterator[NDArray[np.uint8]]:
        """The first ``count`` frames (None: all), (H, W, 3) uint8 RGB; see `decode.frames`."""
        if self._is_record:
            yield from robot_frames(_record(self, root))[:count]
            return
        with _bytes_of(self, root) as file:
            yield from decode.frames(file, self.start, self.end, count)


def video_of(row: dict[str, Any]) -> RawVideo:
    """The video of a row of the manifest."""
    return RawVideo(
        row["path"],
        row["bytes"],
        member=row["member"],
        offset=row["offset"],
        length=None if row["offset"] is None else row["bytes"],
        start=row["start"],
        end=row["end"],
    )


def _span(video: RawVideo) -> tuple[int, int]:
    if video.offset is None or video.length is None:
        raise ValueError(f"{video.name} is a member of an archive, but its position is unknown")
    return video.offset, video.length


def _record(video: RawVideo, root: RawRoot) -> bytes:
    try:
        return read_record(
            lambda start, length: root.read(video.path, start, length), *_span(video)
        )
    except DamagedRecordError as error:
        raise VideoError(VideoProblem.DAMAGED, str(error)) from error


@contextmanager
def _bytes_of(video: RawVideo, root: RawRoot) -> Iterator[Path | BinaryIO]:
    if video.member is None:
        with opened(root, video.path) as file:
            yield file
        return
    first, length = _span(video)

    def fetch(start: int, count: int) -> bytes:
        return root.read(video.path, first + start, count)

    with buffered(RangeReader(f"{root}/{video.name}", length, fetch)) as member:
        yield member
