"""A folder of videos: which frames, which size, which files are refused and why."""

import os

import numpy as np
import pytest
from PIL import Image

from dvdgan.data.sources.clip_source import Windowing
from dvdgan.data.sources.video_folder import VideoFolder
from dvdgan.errors import UserError
from dvdgan.video import decode
from dvdgan.video.conversion import UprightConversion
from dvdgan.video.encode import encode_mp4
from dvdgan.video.image import center_crop, resize_short_side

RNG = np.random.default_rng(0)


def drawn(frames, height=32, width=32):
    """Smooth frames whose mean level is their number."""
    ramp = np.linspace(0, 60, width)[None, :, None] * np.ones((height, 1, 3))
    return np.stack([ramp + 8 * number for number in range(frames)]).astype(np.uint8)


def video(path, frames, height=32, width=32):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_mp4(drawn(frames, height, width), 25))


@pytest.fixture
def folder(tmp_path):
    for number, frames in enumerate((10, 12, 14)):
        video(tmp_path / "videos" / f"{number}.mp4", frames)
    return tmp_path / "videos"


def plain(path, start, count, stride, size=None):
    """All frames, then the ones wanted: (T, H, W, 3)."""
    frames = list(decode.frames(path))[start : start + count * stride : stride]
    if size is not None:
        frames = [center_crop(resize_short_side(frame, size), size) for frame in frames]
    return np.stack(frames)


@pytest.mark.parametrize(
    ("window", "starts"), [("first", (0, 0, 0)), ("centre", (2, 3, 4)), ("random", None)]
)
def test_the_window_is_that_of_the_whole_video(folder, window, starts):
    source = VideoFolder(folder, Windowing(4, 2, window))
    assert (len(source), source.shape, source.preprocessing.stride) == (3, (4, 32), 2)
    clips = source.read(0, 3).clips.permute(0, 1, 3, 4, 2).numpy()
    for place, clip in enumerate(clips):
        length = (10, 12, 14)[place]
        begins = range(length - 7 + 1) if starts is None else [starts[place]]
        assert any(np.array_equal(clip, plain(folder / f"{place}.mp4", at, 4, 2)) for at in begins)
    assert np.array_equal(source.read(1, 2).clips, source.read(0, 3).clips[1:2])


def test_random_windows_differ_between_videos_and_not_between_reads(tmp_path):
    for number in range(12):
        video(tmp_path / "v" / f"{number:02d}.mp4", 20)
    source = VideoFolder(tmp_path / "v", Windowing(2, 1, "random"))
    once, again = source.read(0, 12).clips, source.read(0, 12).clips
    assert once.equal(again)
    assert len({clip[0].float().mean().round().item() for clip in once}) > 3


def test_only_the_frames_of_the_window_are_decoded(folder, monkeypatch):
    converted = []
    convert = UprightConversion.__call__
    counted = lambda self, frame: converted.append(1) or convert(self, frame)  # noqa: E731
    monkeypatch.setattr(UprightConversion, "__call__", counted)
    VideoFolder(folder, Windowing(3, 2), resolution=16).read(0, 1)
    assert len(converted) == 3


def test_class_folders_are_labels(tmp_path):
    for name in ("wave", "bend"):
        video(tmp_path / name / "0.mp4", 4)
    source = VideoFolder(tmp_path, Windowing(4))
    assert source.classes == ["bend", "wave"]
    assert source.read(0, 2).labels.tolist() == [0, 1]
    video(tmp_path / "beside.mp4", 4)
    with pytest.raises(UserError, match="files and folders"):
        VideoFolder(tmp_path, Windowing(4))


def test_sizes_are_equal_or_asked_for(tmp_path):
    video(tmp_path / "a.mp4", 4)
    video(tmp_path / "b.mp4", 4, 48, 64)
    with pytest.raises(UserError, match=r"b\.mp4 is 64x48 pixels") as caught:
        VideoFolder(tmp_path, Windowing(4)).read(0, 2)
    assert "--resolution" in caught.value.todo
    source = VideoFolder(tmp_path, Windowing(4), resolution=24)
    clips = source.read(0, 2).clips.permute(0, 1, 3, 4, 2).numpy()
    assert np.array_equal(clips[1], plain(tmp_path / "b.mp4", 0, 4, 1, size=24))
    (tmp_path / "a.mp4").unlink()
    with pytest.raises(UserError, match="clips are square"):
        VideoFolder(tmp_path, Windowing(4))


def test_broken_and_short_files_are_refused_with_their_reason(folder):
    (folder / "00-noise.mp4").write_bytes(RNG.bytes(3000))
    (folder / "01-text.txt").write_text("not a video")
    video(folder / "02-short.mp4", 3)
    whole = (folder / "0.mp4").read_bytes()
    (folder / "03-cut.mp4").write_bytes(whole[: len(whole) // 2])
    source = VideoFolder(folder, Windowing(4))
    clips, labels, refused = source.read(0, len(source))
    assert (len(clips), labels.tolist(), len(source)) == (3, [-1] * 3, 7)
    assert [line.partition(":")[0] for line in refused] == [
        "00-noise.mp4",
        "01-text.txt",
        "02-short.mp4",
        "03-cut.mp4",
    ]
    assert "too_short, a clip of 4 frames at stride 1 needs 4" in refused[2]


def test_an_empty_folder_and_one_without_videos_are_errors(tmp_path):
    with pytest.raises(UserError, match="is empty"):
        VideoFolder(tmp_path, Windowing(4))
    (tmp_path / "notes.txt").write_text("not a video")
    with pytest.raises(UserError, match="can be decoded"):
        VideoFolder(tmp_path, Windowing(4))


@pytest.mark.parametrize("below", ["", "clip", "class/clip"])
def test_folders_of_frames_are_pictures_and_told_how_to_become_videos(tmp_path, below):
    root = tmp_path / "frames"
    for number in range(3):
        folder = root / (below and f"{below}{number}")
        folder.mkdir(parents=True, exist_ok=True)
        for frame in range(4):
            image = Image.fromarray(np.zeros((8, 8, 3), np.uint8))
            image.save(folder / f"{number}{frame:03d}.PNG")
    with pytest.raises(UserError, match=r"the files are pictures \(\.PNG\), not videos") as caught:
        VideoFolder(root, Windowing(4))
    assert "ffmpeg -framerate 25 -pattern_type glob -i 'FRAMES/*.PNG'" in caught.value.todo
    assert caught.value.where == str(root)


def test_a_picture_beside_videos_is_a_file_too_short(folder):
    (folder / "poster.png").write_bytes(b"")
    assert len(VideoFolder(folder, Windowing(4), 32)) == 4


def test_the_fingerprint_follows_files_and_windows(folder):
    one = VideoFolder(folder, Windowing(4)).fingerprint()
    assert VideoFolder(folder, Windowing(4)).fingerprint() == one
    others = [
        VideoFolder(folder, Windowing(4, 2)),
        VideoFolder(folder, Windowing(4, window="centre")),
        VideoFolder(folder, Windowing(4), resolution=32),
    ]
    status = (folder / "1.mp4").stat()
    changed = {other.fingerprint() for other in others}
    os.utime(folder / "1.mp4", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    changed.add(VideoFolder(folder, Windowing(4)).fingerprint())
    assert len(changed | {one}) == 5


def test_awkward_files_are_clips_or_refusals_and_never_a_crash(hostile_files, tmp_path):
    """Damaged, rotated, huge, empty and renamed files, pipes, dangling and looping links."""
    for number, path in enumerate(sorted(hostile_files.iterdir(), key=os.fsencode)):
        (tmp_path / f"{number}").symlink_to(path)
    os.mkfifo(tmp_path / "pipe.mp4")
    folders = [path for path in tmp_path.iterdir() if path.is_dir()]
    for path in folders:
        path.unlink()
    source = VideoFolder(tmp_path, Windowing(4), resolution=16)
    clips, _, refused = source.read(0, len(source))
    assert len(clips) + len(refused) == len(source)
    assert len(clips) > 20
    assert len(refused) > 10
