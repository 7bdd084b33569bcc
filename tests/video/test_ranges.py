"""Ranges of a video by its frames' time stamps, and videos read from streams."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from test_decode import barcode

from dvdgan.video.decode import VideoError, VideoProblem, frame_count, frames, probe, window
from dvdgan.video.encode import encode_mp4


def numbers(file: Path, start: float | None, end: float | None) -> list[int]:
    return [barcode(frame) for frame in frames(file, start, end)]


def stamps(file: Path) -> list[float]:
    """Seconds of every frame from the first, as PyAV gives them, in the order of display."""
    with av.open(str(file)) as container:
        times = sorted(frame.time for frame in container.decode(video=0))
    return [time - times[0] for time in times]


@pytest.mark.parametrize(
    "name",
    [
        "id_h264_bframes.mp4",
        "id_h264_longgop.mp4",
        "id_vp9.webm",
        "id_ffv1.mkv",
        "id_vfr.mp4",
        "id_halffps.mp4",
        "id_fragmented.mp4",  # its first stamp is 0.08 s
    ],
)
def test_a_range_holds_the_frames_whose_stamps_lie_in_it(hostile_files: Path, name: str) -> None:
    file = hostile_files / name
    times = stamps(file)
    length = times[-1]
    for start, end in ((None, length / 3), (length / 3, length / 2), (length / 2, None)):
        low, high = start or 0, length + 1 if end is None else end
        expected = [i for i, time in enumerate(times) if low <= time + 1e-7 and time + 1e-7 < high]
        assert numbers(file, start, end) == expected
        facts = probe(file, start=start, end=end)
        assert facts.frames == len(expected)
        shown = times[expected[-1]] - times[expected[0]] + 1 / facts.fps
        assert facts.duration == pytest.approx(shown)


def test_the_start_is_included_and_the_end_is_not(hostile_files: Path) -> None:
    file = hostile_files / "id_h264_bframes.mp4"  # 25 frames a second
    assert numbers(file, 0.4, 0.8) == list(range(10, 20))
    assert numbers(file, 0.8, 1.2) == list(range(20, 30))
    assert probe(file, start=0.4, end=0.8).duration == pytest.approx(0.4)


def test_a_range_past_the_end_of_the_video_ends_with_it(hostile_files: Path) -> None:
    assert numbers(hostile_files / "id_h264_bframes.mp4", 3.9, 100) == [98, 99]


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (24, None, "no frame from 24 s to its end; frame 11 is at 22 s"),
        (0.5, 1.5, "no frame from 0.5 s to 1.5 s; frame 1 is at 2 s"),
        (6, 2, "no frame from 6 s to 2 s"),
    ],
)
def test_a_range_without_a_frame_is_told(
    hostile_files: Path, start: float, end: float | None, words: str
) -> None:
    for decode in (probe, lambda file, **seconds: list(frames(file, **seconds))):
        with pytest.raises(VideoError, match=words) as caught:
            decode(hostile_files / "id_halffps.mp4", start=start, end=end)
        assert caught.value.reason is VideoProblem.EMPTY_RANGE


def test_damage_after_the_range_is_not_looked_for(hostile_files: Path) -> None:
    file = hostile_files / "truncated_faststart.mp4"  # frame 50 cannot be decoded
    assert probe(file, end=1).frames == 28
    with pytest.raises(VideoError):
        probe(file, end=2)


@pytest.mark.parametrize(
    ("codec", "container"), [("libx264", "h264"), ("libx265", "hevc"), ("mpeg4", "m4v")]
)
def test_bare_streams_are_timed_by_their_rate(tmp_path: Path, codec: str, container: str) -> None:
    file = tmp_path / f"clip.{container}"
    with av.open(str(file), "w", format=container) as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in range(100):
            pixels = np.full((48, 64, 3), 2 * level, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        output.mux(stream.encode())
    facts = probe(file)
    assert (facts.frames, facts.fps, facts.duration) == (100, 25, pytest.approx(4))
    facts = probe(file, start=1, end=3)
    assert (facts.frames, facts.duration) == (50, pytest.approx(2))
    first = next(frames(file, start=1))
    assert abs(first.mean() - 50) < 3


def test_a_stream_is_read_as_the_file_is(hostile_files: Path) -> None:
    for name in ("id_h264_bframes.mp4", "id_vp9.webm", "mjpeg_fullrange.avi", "anim.gif"):
        file = hostile_files / name
        stream = io.BytesIO(file.read_bytes())
        stream.seek(77)  # wherever it stands
        assert probe(stream) == probe(file)
        assert frame_count(stream) == frame_count(file)
        for found, expected in zip(frames(stream), frames(file), strict=True):
            assert np.array_equal(found, expected)
        for found, expected in zip(
            window(stream, 3, 4, 2).frames, window(file, 3, 4, 2).frames, strict=True
        ):
            assert np.array_equal(found, expected)
        assert not stream.closed


def test_a_member_of_a_tar_is_read_in_place(tmp_path: Path) -> None:
    video = encode_mp4(np.zeros((5, 32, 32, 3), np.uint8), 25)
    with tarfile.open(tmp_path / "clips.tar", "w") as tar:
        for name in ("a.mp4", "b.mp4"):
            member = tarfile.TarInfo(name)
            member.size = len(video)
            tar.addfile(member, io.BytesIO(video))
    with tarfile.open(tmp_path / "clips.tar") as tar:
        member = tar.extractfile("b.mp4")
        assert member is not None
        assert probe(member).frames == 5


class Failing(io.BytesIO):
    """A stream whose server goes away after some bytes."""

    def __init__(self, content: bytes, after: int, error: Exception) -> None:
        super().__init__(content)
        self._after, self._error = after, error

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= self._after:
            raise self._error
        return super().read(size)


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), KeyError("credentials")])
@pytest.mark.parametrize("share", [0, 0.5])
def test_what_a_stream_raises_is_no_fault_of_the_video(
    hostile_files: Path, error: Exception, share: float
) -> None:
    content = (hostile_files / "mjpeg_fullrange.avi").read_bytes()
    for decode in (probe, lambda stream: list(frames(stream))):
        with pytest.raises(type(error)) as caught:
            decode(Failing(content, int(share * len(content)), error))
        assert caught.value is error


def note_of(decode: Callable[[], object]) -> str:
    with pytest.raises(VideoError) as caught:
        decode()
    (note,) = caught.value.__notes__
    return str(note)


def test_errors_name_the_file_or_the_stream(hostile_files: Path) -> None:
    file = hostile_files / "text_renamed.mp4"
    assert note_of(lambda: probe(file)) == f"in {file}"
    with file.open("rb") as stream:
        assert note_of(lambda: probe(stream)) == f"in {file}"
    nameless = io.BytesIO(file.read_bytes())
    assert note_of(lambda: probe(nameless)) == "in a stream without a name"
