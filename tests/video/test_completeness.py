"""A file that was cut off is told from a short video, and no good file is taken for one."""

import io
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from containers import CONTAINERS, COUNT, make

from dvdgan.video.completeness import missing_part
from dvdgan.video.decode import VideoError, VideoProblem, frame_count, frames, probe

SHARED_DATA = Path(__file__).resolve().parents[2] / "../shared/data"

good = cache(make)
named = pytest.mark.parametrize("name", CONTAINERS)


def frames_or_reason(content: bytes) -> int | VideoProblem:
    try:
        return probe(io.BytesIO(content)).frames
    except VideoError as error:
        assert error.detail
        return error.reason


@named
def test_a_whole_file_is_taken_whatever_lies_behind_it(name: str) -> None:
    content = good(name)
    assert missing_part(io.BytesIO(content)) is None
    assert probe(io.BytesIO(content)).frames == COUNT
    if name != "dv":  # has no end
        for behind in (b"\n", bytes(1000), b"<html>gone</html>" * 20):
            assert probe(io.BytesIO(content + behind)).frames == COUNT


@named
def test_a_part_of_a_file_is_no_shorter_video(name: str) -> None:
    content = good(name)
    for percent in range(10, 100, 5):
        # Some bytes more: packets, and frames of DV, may begin at a round part of the file.
        part = content[: len(content) * percent // 100 + 7]
        assert isinstance(frames_or_reason(part), VideoProblem), percent


def test_both_numbers_are_told() -> None:
    content = good("mkv")
    half = len(content) // 2
    said = f"its segment runs to byte {len(content)}, the file ends at byte {half}"
    assert missing_part(io.BytesIO(content[:half])) == said
    with pytest.raises(VideoError, match=rf"{said}; \d+ frames decode") as caught:
        probe(io.BytesIO(content[:half]))
    assert caught.value.reason is VideoProblem.TRUNCATED


def test_a_live_recording_has_no_size_but_its_blocks_have() -> None:
    """As browsers record: neither the segment nor its clusters have a size."""
    cluster = bytes.fromhex("1f43b675")
    head, *clusters = good("webm, live").split(cluster)
    content = head + b"".join(
        cluster + b"\x01" + b"\xff" * 7 + each[9 - each[0].bit_length() :] for each in clusters
    )
    assert probe(io.BytesIO(content)).frames == COUNT
    assert missing_part(io.BytesIO(content)) is None
    last = len(content) - 20
    with pytest.raises(VideoError, match=f"its last block runs .* ends at byte {last}; 23 frames"):
        probe(io.BytesIO(content[:last]))


@pytest.mark.parametrize(
    ("name", "begins"),
    [("mkv, ffv1", b"\xa3"), ("avi, mjpeg", b"00dc"), ("mxf", b"\x06\x0e\x2b\x34")],
)
def test_a_file_whose_room_was_reserved_is_measured_by_its_header(name: str, begins: bytes) -> None:
    content = good(name)
    half = content.rindex(begins, 0, len(content) // 2)  # half a picture would be DAMAGED
    with pytest.raises(VideoError, match=r"its header says .* s, its packets end at") as caught:
        probe(io.BytesIO(content[:half] + bytes(len(content) - half)))
    assert caught.value.reason is VideoProblem.TRUNCATED


def test_every_way_of_decoding_tells() -> None:
    content = good("gif")
    part = io.BytesIO(content[: len(content) // 2])
    for decode in (probe, frame_count, lambda file: list(frames(file))):
        with pytest.raises(VideoError, match="its last block runs to byte"):
            decode(part)
    assert probe(part, end=0.5).frames == 5  # the range is whole


@pytest.mark.parametrize("folder", ["weizmann", "intel_scenes", "clips"])
def test_no_real_video_is_taken_for_a_part(folder: str) -> None:
    videos = [each for each in (SHARED_DATA / folder).rglob("*") if each.suffix in (".mp4", ".avi")]
    if not videos:
        pytest.skip(f"{SHARED_DATA / folder} is not here")
    for video in videos:
        with video.open("rb") as file:
            assert missing_part(file) is None, video


@pytest.mark.parametrize("name", ["mkv", "avi, mjpeg", "gif", "mp4, header first", "vob"])
def test_the_beginning_of_a_damaged_video_is_kept_where_asked(name: str) -> None:
    content = good(name)
    expected = list(frames(io.BytesIO(content)))
    part = io.BytesIO(content[: 2 * len(content) // 3])
    facts = probe(part, keep_damaged=True)
    assert 4 < facts.frames < COUNT
    assert facts.duration == pytest.approx(facts.frames / facts.fps)
    found = list(frames(part, limit=facts.frames))
    assert len(found) == facts.frames
    assert all((frame == whole).all() for frame, whole in zip(found, expected, strict=False))


def test_what_comes_before_a_flipped_bit_is_kept_where_asked(hostile_files: Path) -> None:
    facts = probe(hostile_files / "real" / "decord_corrupted.mp4", keep_damaged=True)
    assert facts.frames == 28
    assert len(list(frames(hostile_files / "real" / "decord_corrupted.mp4", limit=28))) == 28
    with pytest.raises(VideoError, match="frame 0 is corrupt"):
        probe(hostile_files / "bitflips_1.mp4", keep_damaged=True)


def test_keeping_what_is_damaged_changes_nothing_else(hostile_files: Path) -> None:
    whole = hostile_files / "id_vfr.mp4"
    assert probe(whole, keep_damaged=True) == probe(whole)
    for name, reason in (
        ("audio_only.mp4", VideoProblem.NO_VIDEO_STREAM),
        ("truncated_no_moov.mp4", VideoProblem.TRUNCATED),
    ):
        with pytest.raises(VideoError) as caught:
            probe(hostile_files / name, keep_damaged=True)
        assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("ending", "video_codec", "audio_codec"),
    [
        ("mkv", "libx264", "aac"),
        ("webm", "libvpx", "libopus"),
        ("avi", "mpeg4", "pcm_s16le"),
        ("avi", "mpeg4", "libmp3lame"),
        ("flv", "flv1", "libmp3lame"),
        ("wmv", "wmv2", "wmav2"),
        ("mp4", "libx264", "aac"),
        ("ts", "libx264", "aac"),
    ],
)
@pytest.mark.parametrize("frame_times", [range(30, 60), (0, 1, 2, 3, 90, 91)], ids=["late", "gap"])
def test_sound_may_outlast_pictures_and_pictures_may_pause(
    tmp_path: Path, ending: str, video_codec: str, audio_codec: str, frame_times: tuple[int, ...]
) -> None:
    """Ten seconds of sound; pictures at some tenths of a second."""
    file = tmp_path / f"clip.{ending}"
    audio_rate = 48_000 if audio_codec == "libopus" else 44_100
    with av.open(str(file), "w") as container:
        video = container.add_stream(video_codec, rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.max_b_frames = 0
        audio = container.add_stream(audio_codec, rate=audio_rate, layout="mono")
        audio.bit_rate = 64_000
        for time in frame_times:
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 2 * time, np.uint8), "rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 10)
            container.mux(video.encode(frame.reformat(format="yuv420p")))
        container.mux(video.encode())
        sample = audio.codec_context.format.name
        size = audio.codec_context.frame_size or 1024
        for place in range(0, 10 * audio_rate, size):
            silence = av.AudioFrame(format=sample, layout="mono", samples=size)
            silence.pts, silence.sample_rate = place, audio_rate
            silence.time_base = Fraction(1, audio_rate)
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            container.mux(audio.encode(silence))
        container.mux(audio.encode())
    assert probe(file).frames >= len(frame_times)


def test_the_rate_of_dv_is_no_time_base() -> None:
    facts = probe(io.BytesIO(good("dv")))
    assert (facts.fps, facts.duration) == (25, pytest.approx(COUNT / 25))
