"""Videos -> upright RGB frames, in the order the decoder gives them.

A video is a file's path or a seekable binary stream, of which the whole is read from its start;
what a stream's own `read` raises is raised. A range is in seconds from the first frame, by the
frames' own time stamps rounded to microseconds, start included and end not. Stamps that go back
count as the last before them, and a frame without one follows the last at the stream's rate.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

_Frame = NDArray[np.uint8]

# Only formats that hold coded video. Without this list ffmpeg would also read playlists (which
# open other files), still images, and plain text (which its terminal demuxer draws as pictures).
CONTAINERS = "mov,mp4,matroska,webm,avi,mpeg,mpegts,flv,asf,ogg,gif,apng,mxf,dv,h264,hevc,m4v"

# Exact arithmetic, so that levels do not depend on the processor's instruction set.
CONVERSION = int(Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT)

HEAD_BYTES = 64

# The first bytes of files that are taken for videos now and then.
PICTURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
}


class VideoProblem(StrEnum):
    """Why a file cannot be decoded."""

    NOT_A_VIDEO = "not_a_video"
    NO_VIDEO_STREAM = "no_video_stream"
    DAMAGED = "damaged"
    TOO_LARGE = "too_large"
    SIZE_CHANGES = "size_changes"
    EMPTY_RANGE = "empty_range"


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
    file: Path | BinaryIO, start: float | None = None, end: float | None = None
) -> Iterator[_Frame]:
    """Yield every frame from ``start`` to ``end``, (H, W, 3) uint8 RGB in [0, 255], turned upright.

    The stream's own matrix and range are respected; alpha is dropped; interlaced frames stay
    woven; HDR is not tone-mapped; pixels keep their stored shape (see resize_short_side). Raises
    VideoError.
    """
    convert = _Conversion()
    with _opened(file) as container:
        stream = _video_stream(container)
        for _, frame in _in_range(_frames_of(container, stream, None), _rate(stream), start, end):
            yield convert(frame)


@dataclass(frozen=True)
class DecodedFrames:
    """Some frames of a video, (H, W, 3) uint8 RGB in [0, 255], turned upright."""

    frames: list[_Frame]
    sample_aspect: float
    """Shown width of a pixel over its height, after rotation."""


def window(file: Path | BinaryIO, start: int, count: int, stride: int) -> DecodedFrames:
    """Frames start, start + stride, ... as ``frames`` gives them; fewer where the file ends first.

    Decodes no further than the last of them, and converts no others. Never seeks: headers and time
    stamps lie. Raises VideoError.
    """
    stop = start + (count - 1) * stride + 1
    with _opened(file) as container:
        stream = _video_stream(container)
        aspect = float(stream.sample_aspect_ratio or 1)
        convert = _Conversion()
        found: list[_Frame] = []
        for frame in islice(_frames_of(container, stream, None), start, stop, stride):
            if not found and _quarter_turns(frame) % 2:
                aspect = 1 / aspect
            found.append(convert(frame))
    return DecodedFrames(found, aspect)


def frame_count(file: Path | BinaryIO) -> int:
    """How many frames a full decode, without colour conversion, gives. Raises VideoError."""
    with _opened(file) as container:
        return sum(1 for _ in _frames_of(container, _video_stream(container), None))


def probe(
    file: Path | BinaryIO,
    max_pixels: int | None = None,
    start: float | None = None,
    end: float | None = None,
) -> VideoFacts:
    """Decode the range, without colour conversion, and count: headers lie.

    ``max_pixels`` (width x height) is checked before anything is decoded. Nothing after ``end`` is
    decoded, so damage there is not seen. Raises VideoError.
    """
    with _opened(file) as container:
        stream = _video_stream(container)
        rate = _rate(stream)
        found = _in_range(_frames_of(container, stream, max_pixels), rate, start, end)
        begin, first = next(found)
        count, last = 1, begin
        for last, _ in found:  # noqa: B007
            count += 1
        aspect = float(stream.sample_aspect_ratio or 1)
        codec = str(stream.codec_context.name)
    sideways = _quarter_turns(first) % 2 == 1
    width, height = (first.height, first.width) if sideways else (first.width, first.height)
    span = float(last - begin)
    fps = float(rate) or ((count - 1) / span if span else 0.0)
    return VideoFacts(
        frames=count,
        fps=fps,
        width=width,
        height=height,
        sample_aspect=1 / aspect if sideways else aspect,
        duration=span + 1 / fps if fps else span,
        codec=codec,
    )


@contextmanager
def _opened(file: Path | BinaryIO) -> Iterator["av.container.InputContainer"]:
    """The container in ``file``; a VideoError of the block says where it was raised."""
    try:
        container = _container(file)
        with container:
            yield container
    except VideoError as error:
        name = file if isinstance(file, Path) else getattr(file, "name", "a stream without a name")
        error.add_note(f"in {name}")
        raise


def _container(file: Path | BinaryIO) -> "av.container.InputContainer":
    if isinstance(file, Path):
        source: str | BinaryIO = f"file:{file}"  # `a:b.mp4` alone would name a protocol
    else:
        source = file
        file.seek(0)
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    try:
        # Metadata is free text in any encoding, and none of ours.
        return av.open(source, "r", metadata_errors="ignore", options=options)
    except (PermissionError, FileNotFoundError):  # the file cannot be read, whatever it holds
        raise
    except av.FFmpegError as error:
        detail = _why_unopened(file, isinstance(error, av.ArgumentError), str(error.strerror))
        raise VideoError(VideoProblem.NOT_A_VIDEO, detail) from error


def _why_unopened(file: Path | BinaryIO, recognised: bool, reason: str) -> str:
    """Why ffmpeg cannot open ``file``, and how it can be converted.

    ``recognised``: ffmpeg knows the format, but it is not one of CONTAINERS; ``reason`` is
    ffmpeg's message otherwise. Raises OSError.
    """
    if isinstance(file, Path):
        with file.open("rb") as opened:
            head = opened.read(HEAD_BYTES)
    else:
        file.seek(0)
        head = file.read(HEAD_BYTES)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        if b"ANIM" in head:
            return "animated WebP is not supported; docs/stages/index.md shows how to convert it"
        return "a WebP picture, not a video"
    for start, name in PICTURES.items():
        if head.startswith(start):
            return f"a {name} picture, not a video"
    if recognised:
        return "its format is not supported; convert it: ffmpeg -i FILE -c:v ffv1 FILE.mkv"
    return f"not a readable video container ({reason})"


def _video_stream(container: "av.container.InputContainer") -> "av.VideoStream":
    stream = container.streams.best("video")
    if not isinstance(stream, av.VideoStream):
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "none"
        raise VideoError(VideoProblem.NO_VIDEO_STREAM, f"no video stream (streams: {kinds})")
    if stream.codec_context is None:
        raise VideoError(VideoProblem.DAMAGED, "no decoder for its video stream")
    return stream


def _rate(stream: "av.VideoStream") -> Fraction:
    """Frames per second by the header; 0 where it says nothing."""
    return Fraction(stream.average_rate or stream.guessed_rate or 0)


def _in_range(
    decoded: Iterator["av.VideoFrame"], rate: Fraction, start: float | None, end: float | None
) -> Iterator[tuple[Fraction, "av.VideoFrame"]]:
    """Yield the frames of a range, each after its time in seconds from the first of the video.

    Decodes no further than the first frame at or after ``end``. Raises VideoError where there is
    none to yield.
    """
    origin: Fraction | None = None
    time, count, found = Fraction(0), 0, False
    for count, frame in enumerate(decoded, start=1):
        if frame.pts is not None and frame.time_base is not None:
            stamp = frame.pts * frame.time_base
            if origin is None:
                origin = stamp - time
            time = max(time, stamp - origin)
        elif count > 1 and rate:
            time += 1 / rate
        if end is not None and _microseconds(time) >= _microseconds(end):
            break
        if start is None or _microseconds(time) >= _microseconds(start):
            found = True
            yield time, frame
    if count == 0:
        raise VideoError(VideoProblem.DAMAGED, "opens, but holds no decodable frame")
    if not found:
        until = "its end" if end is None else f"{end:g} s"
        raise VideoError(
            VideoProblem.EMPTY_RANGE,
            f"no frame from {start or 0:g} s to {until}; frame {count - 1} is at {float(time):g} s",
        )


def _microseconds(seconds: Fraction | float) -> int:
    return round(seconds * 1_000_000)


def _frames_of(
    container: "av.container.InputContainer", stream: "av.VideoStream", max_pixels: int | None
) -> Iterator["av.VideoFrame"]:
    stream.thread_type = "NONE"
    size = (stream.codec_context.width, stream.codec_context.height)
    _check_pixels(size, max_pixels)
    count = 0
    try:
        for frame in container.decode(stream):
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
                raise VideoError(VideoProblem.DAMAGED, f"frame {count} is corrupt")
            count += 1
            yield frame
    except av.FFmpegError as error:
        raise VideoError(
            VideoProblem.DAMAGED, f"decoding fails after {count} frames ({error.strerror})"
        ) from error


def _check_pixels(size: tuple[int, int], max_pixels: int | None) -> None:
    if max_pixels is not None and size[0] * size[1] > max_pixels:
        raise VideoError(
            VideoProblem.TOO_LARGE,
            f"{size[0]} x {size[1]} pixels; at most {max_pixels} pixels a frame are read",
        )


class _Conversion:
    """Raw frames of one video -> upright RGB; sets its tables up once, not for every frame."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: "av.VideoFrame") -> _Frame:
        rgb = self._reformatter.reformat(
            frame, format="rgb24", dst_color_range=ColorRange.JPEG, interpolation=CONVERSION
        )
        return np.ascontiguousarray(np.rot90(rgb.to_ndarray(), k=_quarter_turns(frame)))


def _quarter_turns(frame: "av.VideoFrame") -> int:
    """Anticlockwise quarter turns that bring a raw frame upright (its display matrix)."""
    return round(frame.rotation / 90) % 4
