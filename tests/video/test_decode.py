"""Decoding: exact frames, upright, right levels; damage and disguises are refused with a reason."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from dvdgan.video.decode import VideoError, VideoProblem, frames, probe
from dvdgan.video.encode import encode_mp4


def barcode(frame: np.ndarray) -> int:
    """The 12-bit number of the id_* clips: 16 x 32 blocks, six a row, white where set."""
    bits = [frame[16 + 32 * (i // 6), 8 + 16 * (i % 6)].mean() > 128 for i in range(12)]
    return sum(1 << i for i, bit in enumerate(bits) if bit)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("id_h264_bframes.mp4", 100),
        ("id_h264_longgop.mp4", 400),
        ("id_vp9.webm", 60),
        ("id_ffv1.mkv", 50),
        ("id_vfr.mp4", 90),
        ("id_1000fps.mkv", 64),
        ("id_halffps.mp4", 12),
        ("id_fragmented.mp4", 100),
    ],
)
def test_every_frame_comes_once_and_in_order(hostile_files: Path, name: str, count: int) -> None:
    path = hostile_files / name
    assert [barcode(frame) for frame in frames(path)] == list(range(count))
    assert probe(path).frames == count


@pytest.mark.parametrize(("name", "fps"), [("id_halffps.mp4", 0.5), ("id_1000fps.mkv", 1000.0)])
def test_rate_and_duration(hostile_files: Path, name: str, fps: float) -> None:
    facts = probe(hostile_files / name)
    assert facts.fps == fps
    assert facts.duration == pytest.approx(facts.frames / fps)


def test_rotated_videos_come_upright(hostile_files: Path) -> None:
    for name, turns in (("rotated_90.mp4", 1), ("rotated_180.mp4", 2)):
        path = hostile_files / name
        with av.open(str(path)) as container:
            raw = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
        upright = next(frames(path)).astype(int)
        expected = raw
        for _ in range(turns):  # a quarter turn anticlockwise, spelt out
            expected = expected.transpose(1, 0, 2)[::-1]
        assert upright.shape == expected.shape
        assert abs(upright - expected).mean() < 3  # the two conversions round differently
        assert abs(upright - expected[::-1, ::-1]).mean() > 20  # the other way round is far off
        facts = probe(path)
        assert (facts.height, facts.width) == upright.shape[:2]


def test_levels_do_not_depend_on_the_range_they_are_stored_in(hostile_files: Path) -> None:
    limited = next(frames(hostile_files / "av1.mp4")).astype(float)
    for name in ("h264_fullrange.mp4", "mjpeg_fullrange.avi"):
        full = next(frames(hostile_files / name)).astype(float)
        assert abs(full.mean() - limited.mean()) < 1.0, name
        assert abs(full - limited).mean() < 4.0, name


@pytest.mark.parametrize(
    ("matrix", "yuv"), [(1, (63, 102, 240)), (5, (81, 90, 240))], ids=["bt709", "bt601"]
)
def test_the_streams_own_colour_matrix_is_used(
    tmp_path: Path, matrix: int, yuv: tuple[int, int, int]
) -> None:
    """Pure red by the formulas of BT.709 and BT.601 must come back as red."""
    path = tmp_path / "red.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 1
        picture = av.VideoFrame(32, 32, "yuv420p")
        picture.colorspace, picture.color_range = matrix, 1
        for plane, level in zip(picture.planes, yuv, strict=True):
            plane.update(bytes([level]) * plane.buffer_size)
        container.mux(stream.encode(picture))
        container.mux(stream.encode())
    assert np.abs(next(frames(path)).astype(int) - [255, 0, 0]).max() <= 3


def test_gray_gives_three_equal_channels(hostile_files: Path) -> None:
    frame = next(frames(hostile_files / "gray.mp4"))
    assert frame.std() > 1
    assert (frame == frame[..., :1]).all()


def test_pixel_aspect_is_reported(hostile_files: Path) -> None:
    facts = probe(hostile_files / "sar_2_1.mp4")
    assert (facts.width, facts.height, facts.sample_aspect) == (160, 120, 2.0)


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("truncated_faststart.mp4", VideoProblem.TRUNCATED, "after 50 frames"),
        ("bitflips_1.mp4", VideoProblem.DAMAGED, "corrupt"),
        ("audio_only.mp4", VideoProblem.NO_VIDEO_STREAM, "audio"),
        ("text_renamed.mp4", VideoProblem.NOT_A_VIDEO, "container"),
    ],
)
def test_damage_has_a_reason(
    hostile_files: Path, name: str, reason: VideoProblem, words: str
) -> None:
    for decode in (probe, lambda path: list(frames(path))):
        with pytest.raises(VideoError) as caught:
            decode(hostile_files / name)
        assert caught.value.reason is reason
        assert words in caught.value.detail


def test_playlists_texts_and_images_are_not_interpreted(
    tmp_path: Path, synthetic_videos: Path
) -> None:
    video = next(synthetic_videos.rglob("*.mp4"))
    (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:1,\n{video}\n#EXT-X-ENDLIST\n")
    (tmp_path / "list.ffconcat").write_text(f"ffconcat version 1.0\nfile '{video}'\n")
    (tmp_path / "readme.nfo").write_text("hello\n" * 500)
    Image.new("RGB", (64, 64)).save(tmp_path / "still.png")
    (tmp_path / "still.png").rename(tmp_path / "still.mp4")
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(VideoError) as caught:
            probe(path)
        assert caught.value.reason is VideoProblem.NOT_A_VIDEO, path.name


def test_size_is_checked_before_decoding(hostile_files: Path) -> None:
    with pytest.raises(VideoError, match="8192 x 8192"):
        probe(hostile_files / "huge_8192_1frame.mp4", max_pixels=9_437_184)


def test_a_stream_that_changes_its_size_is_refused(tmp_path: Path) -> None:
    pieces = []
    for height, width in ((48, 64), (96, 96)):
        piece = tmp_path / "piece.ts"
        with av.open(str(piece), "w", format="mpegts") as container:
            stream = container.add_stream("mpeg2video", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for level in range(10):
                pixels = np.full((height, width, 3), 20 * level, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
            container.mux(stream.encode())
        pieces.append(piece.read_bytes())
    (tmp_path / "both.ts").write_bytes(b"".join(pieces))
    with pytest.raises(VideoError, match="64 x 48, then 96 x 96"):
        probe(tmp_path / "both.ts")


def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path) -> None:
    path = tmp_path / "http:x%d.mp4"
    path.write_bytes(encode_mp4(np.zeros((3, 32, 32, 3), np.uint8), 25))
    assert probe(path).frames == 3


def drifting(count: int) -> list[Image.Image]:
    pictures = []
    for number in range(count):
        levels = np.zeros((48, 64, 3), np.uint8)
        levels[10:30, 3 * number : 3 * number + 20] = (200, 50, 90)
        levels[40:] = np.linspace(0, 255, 64)[None, :, None]
        pictures.append(Image.fromarray(levels))
    return pictures


def test_animated_png_is_read_exactly(tmp_path: Path) -> None:
    first, *rest = pictures = drifting(6)
    first.save(tmp_path / "clip.png", save_all=True, append_images=rest, duration=40)
    assert probe(tmp_path / "clip.png").frames == 6
    found = list(frames(tmp_path / "clip.png"))
    assert np.array_equal(np.stack(found), np.stack([np.asarray(each) for each in pictures]))


def test_animated_webp_is_named_and_can_be_converted(tmp_path: Path) -> None:
    first, *rest = pictures = drifting(6)
    path = tmp_path / "clip.webp"
    first.save(path, save_all=True, append_images=rest, duration=40, lossless=True)
    with pytest.raises(VideoError, match="animated WebP is not supported; docs/") as caught:
        probe(path)
    assert caught.value.reason is VideoProblem.NOT_A_VIDEO
    # As in docs/stages/index.md.
    Image.open(path).save(path.with_suffix(".png"), save_all=True)
    found = list(frames(path.with_suffix(".png")))
    assert np.array_equal(np.stack(found), np.stack([np.asarray(each) for each in pictures]))


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp", "tiff"])
def test_pictures_are_named(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"still.{ending}"
    drifting(1)[0].save(path)
    with pytest.raises(VideoError, match="picture, not a video"):
        probe(path.rename(tmp_path / "still.mp4"))


def test_a_format_that_is_not_read_is_told_from_damage(tmp_path: Path) -> None:
    path = tmp_path / "raw.y4m"
    path.write_bytes(b"YUV4MPEG2 W16 H16 F25:1 C420\n" + (b"FRAME\n" + bytes(384)) * 8)
    with pytest.raises(VideoError, match="its format is not supported; convert it: ffmpeg -i"):
        probe(path)


def test_a_file_that_is_gone_is_no_damaged_video(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        probe(tmp_path / "none.mp4")
