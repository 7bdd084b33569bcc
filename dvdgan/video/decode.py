"""Videos -> upright RGB frames, in the order the decoder gives them.

A video is a file's path or a seekable binary stream, of which the whole is read from its start;
what a stream's own `read` raises is raised. A range is in seconds from the first frame, by the
frames' own time stamps rounded to microseconds, start included and end not. Stamps that go back
count as the last before them, and a frame without one follows the last at the stream's rate.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import av

from dvdgan.video.completeness import missing_part
from dvdgan.video.conversion import UprightConversion, quarter_turns
from dvdgan.video.frame import Frame
from dvdgan.video.unreadable import HEAD_BYTES, why_unopened

# Only formats that hold coded video. Without this list ffmpeg would also read playlists (which
# open other files), still images, and plain text (which its terminal demuxer draws as pictures).
CONTAINERS = "mov,mp4,matroska,webm,avi,mpeg,mpegts,flv,asf,ogg,gif,apng,mxf,dv,h264,hevc,m4v"

# Those of them whose headers state the duration. That of others is estimated from the file's size,
# or (ASF) longer than what it holds where a stream begins late.
STATE_DURATION = {"matroska,webm", "avi", "flv", "mxf"}


class VideoProblem(StrEnum):
    """Why a file cannot be decoded."""

    NOT_A_VIDEO = "not_a_video"
    NO_VIDEO_STREAM = "no_video_stream"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    TOO_LARGE = "too_large"
    SIZE_CHANGES = "size_changes"
    EMPTY_RANGE = "empty_range"


DAMAGE = frozenset({VideoProblem.TRUNCATED, VideoProblem.DAMAGED})


class VideoError(Exception):
    """A file that cannot be decoded whole: the reason, and the detail with its numbers."""

    def __init__(self, reason: VideoProblem, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(reason, detail)


@dataclass(frozen=True)
class VideoFacts:
    """What decoding a video, or a range of it, finds.

    ``width`` and ``height`` are pixels after rotation; ``sample_aspect`` is the displayed width of
    a pixel over its height, after rotation; ``fps`` frames per second of the whole video;
    ``duration`` seconds from the first frame to the end of the last.
    """

    frames: int
    fps: float
    width: int
    height: int
    sample_aspect: float
    duration: float
    codec: str


def frames(
    file: Path | BinaryIO,
    start: float | None = None,
    end: float | None = None,
    limit: int | None = None,
) -> Iterator[Frame]:
    """Yield every frame from ``start`` to ``end``, (H, W, 3) uint8 RGB in [0, 255], turned upright.

    After ``limit`` frames nothing more is decoded. The stream's own matrix and range are
    respected; alpha is dropped; interlaced frames stay woven; HDR is not tone-mapped; pixels keep
    their stored shape (see resize_short_side). Raises VideoError.
    """
    convert = UprightConversion()
    with _opened(file) as video:
        for _, frame in islice(video.in_range(start, end), limit):
            yield convert(frame)


@dataclass(frozen=True)
class DecodedFrames:
    """Some frames of a video, (H, W, 3) uint8 RGB in [0, 255], turned upright."""

    frames: list[Frame]
    sample_aspect: float
    """Shown width of a pixel over its height, after rotation."""


def window(file: Path | BinaryIO, start: int, count: int, stride: int) -> DecodedFrames:
    """Frames start, start + stride, ... as ``frames`` gives them; fewer where the file ends first.

    Decodes no further than the last of them, and converts no others. Never seeks: headers and time
    stamps lie. Raises VideoError.
    """
    stop = start + (count - 1) * stride + 1
    convert = UprightConversion()
    found: list[Frame] = []
    with _opened(file) as video:
        aspect = video.sample_aspect
        for frame in islice(video.decoded(), start, stop, stride):
            if not found and quarter_turns(frame) % 2:
                aspect = 1 / aspect
            found.append(convert(frame))
    return DecodedFrames(found, aspect)


def frame_count(file: Path | BinaryIO) -> int:
    """How many frames a full decode, without colour conversion, gives. Raises VideoError."""
    with _opened(file) as video:
        return sum(1 for _ in video.decoded())


def probe(
    file: Path | BinaryIO,
    max_pixels: int | None = None,
    start: float | None = None,
    end: float | None = None,
    keep_damaged: bool = False,
) -> VideoFacts:
    """Decode the range, without colour conversion, and count: headers lie.

    ``max_pixels`` (width x height) is checked before anything is decoded. Nothing after ``end`` is
    decoded, so damage there is not seen. With ``keep_damaged`` the facts of a video of which a
    part is DAMAGE are those of the frames before it: `frames` gives them where ``limit`` is their
    number. Raises VideoError.
    """
    times: list[Fraction] = []
    with _opened(file) as video:
        try:
            for time, frame in video.in_range(start, end, max_pixels):
                if not times:
                    first = frame
                times.append(time)
        except VideoError as error:
            if error.reason is VideoProblem.TRUNCATED:
                del times[-1:]  # half of it may be missing
            if not (keep_damaged and times and error.reason in DAMAGE):
                raise
        rate, aspect, codec = video.rate, video.sample_aspect, video.codec
    sideways = quarter_turns(first) % 2 == 1
    width, height = (first.height, first.width) if sideways else (first.width, first.height)
    span = float(times[-1] - times[0])
    fps = float(rate) or ((len(times) - 1) / span if span else 0.0)
    return VideoFacts(
        frames=len(times),
        fps=fps,
        width=width,
        height=height,
        sample_aspect=1 / aspect if sideways else aspect,
        duration=span + 1 / fps if fps else span,
        codec=codec,
    )


@contextmanager
def _opened(file: Path | BinaryIO) -> Iterator["_Video"]:
    """The video in ``file``; a VideoError of the block says where it was raised."""
    source = file.open("rb") if isinstance(file, Path) else nullcontext(file)
    try:
        with source as stream, _container(stream) as container:
            yield _Video(stream, container)
    except VideoError as error:
        name = file if isinstance(file, Path) else getattr(file, "name", "a stream without a name")
        error.add_note(f"in {name}")
        raise


def _container(file: BinaryIO) -> "av.container.InputContainer":
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    try:
        # Metadata is free text in any encoding, and none of ours.
        return av.open(_Source(file), "r", metadata_errors="ignore", options=options)
    except av.FFmpegError as error:
        file.seek(0)
        head = file.read(HEAD_BYTES)
        detail = why_unopened(head, isinstance(error, av.ArgumentError), str(error.strerror))
        raise _video_error(file, VideoProblem.NOT_A_VIDEO, detail) from error


class _Source:
    """``file`` as ffmpeg reads it: headers may name any position, from which there is no byte."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.tell, self._file = file.read, file.tell, file
        self.name = str(getattr(file, "name", ""))
        self._size = file.seek(0, os.SEEK_END)
        file.seek(0)

    def seek(self, offset: int, whence: int) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._size}[whence]
        position = base + offset
        return self._file.seek(min(position, self._size)) if position >= 0 else -errno.EINVAL


def _video_error(file: BinaryIO, reason: VideoProblem, detail: str) -> VideoError:
    """TRUNCATED in place of ``reason`` where the container says that ``file`` ends too early."""
    missing = missing_part(file)
    if missing is None:
        return VideoError(reason, detail)
    return VideoError(VideoProblem.TRUNCATED, f"{missing}; {detail}")


class _Video:
    """The video stream of an opened container."""

    def __init__(self, file: BinaryIO, container: "av.container.InputContainer") -> None:
        stream = container.streams.best("video")
        if not isinstance(stream, av.VideoStream):
            kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "none"
            detail = f"no video stream (streams: {kinds})"
            raise _video_error(file, VideoProblem.NO_VIDEO_STREAM, detail)
        if stream.codec_context is None:
            raise VideoError(VideoProblem.DAMAGED, "no decoder for its video stream")
        stream.thread_type = "NONE"
        self._file, self._container, self._stream = file, container, stream
        self.codec = str(stream.codec_context.name)
        self.sample_aspect = float(stream.sample_aspect_ratio or 1)
        self.rate = _rate(stream)
        self._begin: Fraction | None = None
        self._end = Fraction(0)

    def in_range(
        self, start: float | None, end: float | None, max_pixels: int | None = None
    ) -> Iterator[tuple[Fraction, "av.VideoFrame"]]:
        """Yield the frames of a range, each after its time in seconds from the first of the video.

        Decodes no further than the first frame at or after ``end``. Raises VideoError if there
        is none to yield.
        """
        origin: Fraction | None = None
        time, count, found = Fraction(0), 0, False
        for count, frame in enumerate(self.decoded(max_pixels), start=1):
            if frame.pts is not None and frame.time_base is not None:
                stamp = frame.pts * frame.time_base
                if origin is None:
                    origin = stamp - time
                time = max(time, stamp - origin)
            elif count > 1 and self.rate:
                time += 1 / self.rate
            if end is not None and _microseconds(time) >= _microseconds(end):
                break
            if start is None or _microseconds(time) >= _microseconds(start):
                found = True
                yield time, frame
        if not found:
            until = "its end" if end is None else f"{end:g} s"
            raise VideoError(
                VideoProblem.EMPTY_RANGE,
                f"no frame from {start or 0:g} s to {until}; "
                f"frame {count - 1} is at {float(time):g} s",
            )

    def decoded(self, max_pixels: int | None = None) -> Iterator["av.VideoFrame"]:
        """Yield raw frames of one size; VideoError for anything a decoder complains about."""
        context = self._stream.codec_context
        size = (context.width, context.height)
        _check_pixels(size, max_pixels)
        count = 0
        try:
            for frame in self._raw():
                if count == 0:
                    size = (frame.width, frame.height)
                    _check_pixels(size, max_pixels)
                elif (frame.width, frame.height) != size:
                    raise VideoError(
                        VideoProblem.SIZE_CHANGES,
                        f"{size[0]} x {size[1]}, then {frame.width} x {frame.height} "
                        f"from frame {count}",
                    )
                if frame.is_corrupt:
                    detail = f"frame {count} is corrupt"
                    raise _video_error(self._file, VideoProblem.DAMAGED, detail)
                count += 1
                yield frame
        except av.FFmpegError as error:
            detail = f"decoding fails after {count} frames ({error.strerror})"
            raise _video_error(self._file, VideoProblem.DAMAGED, detail) from error
        missing = missing_part(self._file) or self._missing_time()
        if missing is not None:
            raise VideoError(VideoProblem.TRUNCATED, f"{missing}; {count} frames decode")
        if count == 0:
            raise VideoError(VideoProblem.DAMAGED, "opens, but holds no decodable frame")

    def _raw(self) -> Iterator["av.VideoFrame"]:
        """Yield every frame; note how far the packets of all streams reach."""
        for packet in self._container.demux():
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None and packet.time_base is not None:
                begin = stamp * packet.time_base
                end = begin + (packet.duration or 0) * packet.time_base
                self._begin = begin if self._begin is None else min(self._begin, begin)
                self._end = max(self._end, end)
            if packet.stream.index == self._stream.index:
                yield from self._stream.codec_context.decode(packet)

    def _missing_time(self) -> str | None:
        """In words: by how much the container's header promises more than its packets hold."""
        container = self._container
        if container.format.name not in STATE_DURATION or not container.duration:
            return None
        stated = Fraction(container.duration, av.time_base)
        held = max(self._end, self._end - (self._begin or 0))
        interval = 1 / self.rate if self.rate else Fraction(0)
        if stated - held <= max(Fraction(1, 2), stated / 20, 2 * interval):
            return None
        return f"its header says {float(stated):g} s, its packets end at {float(held):g} s"


def _rate(stream: "av.VideoStream") -> Fraction:
    """Frames per second by the header; 0 where it says nothing."""
    average, guessed = (Fraction(rate or 0) for rate in (stream.average_rate, stream.guessed_rate))
    # ffmpeg 8 takes the time base of DV for its rate.
    return guessed if not average or 0 < 100 * guessed < average else average


def _microseconds(seconds: Fraction | float) -> int:
    return round(seconds * 1_000_000)


def _check_pixels(size: tuple[int, int], max_pixels: int | None) -> None:
    if max_pixels is not None and size[0] * size[1] > max_pixels:
        raise VideoError(
            VideoProblem.TOO_LARGE,
            f"{size[0]} x {size[1]} pixels; at most {max_pixels} pixels a frame are read",
        )
