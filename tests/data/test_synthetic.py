"""The synthetic set: real files, equal bytes, classes that differ in motion, readable numbers."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dvdgan.data.synthetic import (
    MOTIONS,
    draw,
    draw_plain,
    read_frame_number,
    write_synthetic,
)
from dvdgan.errors import UserError
from dvdgan.video.decode import frames, probe
from dvdgan.video.image import decode_frame, encode_frame, resize_short_side


def test_files_are_h264_and_repeat_bit_for_bit(tmp_path: Path, synthetic_videos: Path) -> None:
    write_synthetic(tmp_path / "again", videos_per_class=3)
    paths = sorted(synthetic_videos.rglob("*.mp4"))
    assert len(paths) == 12
    for path in paths:
        again = tmp_path / "again" / path.relative_to(synthetic_videos)
        assert again.read_bytes() == path.read_bytes()
    facts = probe(paths[0])
    assert (facts.codec, facts.frames, facts.fps) == ("h264", 32, 25.0)
    assert len({path.read_bytes() for path in paths}) == 12


def test_numbers_survive_h264_resizing_and_jpeg(synthetic_videos: Path) -> None:
    for path in sorted(synthetic_videos.rglob("*.mp4")):
        for number, frame in enumerate(frames(path)):
            for size in (32, 48, 64, 128):
                stored = decode_frame(encode_frame(resize_short_side(frame, size), 95))
                assert read_frame_number(stored) == number, (path, size)


@pytest.mark.parametrize("number", [0, 1, 85, 170, 255])
def test_all_eight_bits_are_read(number: int) -> None:
    video = draw("circle_right", np.random.default_rng(0), 64, number + 1)
    assert read_frame_number(video[number]) == number


@pytest.mark.parametrize("drawn", [draw, draw_plain])
@pytest.mark.parametrize("label", MOTIONS)
def test_every_window_moves(label: str, drawn: Callable[..., NDArray[np.uint8]]) -> None:
    for seed in range(5):
        video = drawn(label, np.random.default_rng(seed), 32, 32)[:, :-3].astype(float)
        changed = (np.abs(video[4:] - video[:-4]).max(-1) > 20).mean((1, 2))
        assert changed.max() < 0.9  # a ring that begins anew
        assert (changed > 0.005).all(), changed.min()


def test_plain_videos_are_near_their_class_and_all_different() -> None:
    means = []
    for label in MOTIONS:
        videos = [draw_plain(label, np.random.default_rng(seed), 32, 16) for seed in range(20)]
        colours = np.stack([video.max((0, 1, 2)).astype(float) for video in videos])
        assert np.ptp(colours, axis=0).max() < 60, label
        for place in (centres(videos, 0), centres(videos, -1)):
            assert 1 < np.ptp(place, axis=0).max() < 9, label  # pixels
            assert ((place > 4) & (place < 28)).all(), label
        assert len({video[0].tobytes() for video in videos}) == len(videos)
        means.append(colours.mean(0))
    for one, other in itertools.combinations(means, 2):
        assert np.abs(one - other).max() > 80


def centres(videos: list[NDArray[np.uint8]], frame: int) -> NDArray[np.float64]:
    """Where the shape is in a frame of each video, by the weight of its pixels: (videos, 2)."""
    y, x = np.mgrid[0:32, 0:32]
    light = np.stack([video[frame].astype(float).sum(-1) for video in videos])
    light = np.clip(light - light.min(axis=(1, 2), keepdims=True) - 30, 0, None)
    light /= light.sum(axis=(1, 2), keepdims=True)
    return np.stack([(light * y).sum((1, 2)), (light * x).sum((1, 2))], axis=1)


def test_plain_videos_show_no_frame_number(tmp_path: Path) -> None:
    write_synthetic(tmp_path / "plain", videos_per_class=1, frames=16, plain=True)
    video = list(frames(tmp_path / "plain" / "bar_rotating" / "000.mp4"))
    assert {read_frame_number(frame) for frame in video} == {0}


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(UserError, match=r"did not write.*: mine\.txt"):
        write_synthetic(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep me"


def test_videos_that_are_there_are_left_alone(tmp_path: Path) -> None:
    root = tmp_path / "videos"
    assert write_synthetic(root, videos_per_class=2, size=32, frames=2)
    kept = root / "square_down" / "000.mp4"
    kept.write_text("cut by hand")
    assert not write_synthetic(root, videos_per_class=2, size=32, frames=2)
    assert kept.read_text() == "cut by hand"
