"""Clips: exactly the frames and pixels requested; batches that depend on (seed, number) alone."""

import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_shards import rows, same, shards_of

from dvdgan.data.dataset import ClipDataset
from dvdgan.data.loader import RankShard, reference_clips, training_batches
from dvdgan.data.random_clips import ConditioningFrames, RandomClips
from dvdgan.data.synthetic import draw, read_frame_number
from dvdgan.errors import UserError
from dvdgan.storage.local import read_json
from dvdgan.video.encode import encode_mp4


def numbers(clip: torch.Tensor) -> list[int]:
    return [read_frame_number(frame) for frame in clip.permute(0, 2, 3, 1).numpy()]


@pytest.mark.parametrize(("frames", "stride"), [(12, 1), (12, 2), (5, 7), (32, 1)])
def test_any_window_is_the_one_asked_for(shards: Path, frames: int, stride: int) -> None:
    dataset = ClipDataset(shards, "train", 32, frames, stride)
    for video in range(len(dataset)):
        for start in range(0, 32 - (frames - 1) * stride, 3):
            clip = dataset.read(video, start, 0, 0)
            assert clip.shape == (frames, 32, 32, 3)
            got = [read_frame_number(frame) for frame in clip]
            assert got == [start + i * stride for i in range(frames)]
    with pytest.raises(UserError, match="no frames"):
        dataset.read(0, 33 - (frames - 1) * stride, 0, 0)


def test_any_crop_is_the_one_asked_for(tmp_path: Path) -> None:
    """Wide videos made of two equal halves: a crop is the picture rolled by its left edge."""
    root = tmp_path / "videos"
    for number in range(4):
        (root / "a").mkdir(parents=True, exist_ok=True)
        half = draw("circle_right", np.random.default_rng(number), 32, 24)
        wide = np.concatenate([half, half], axis=2)
        (root / "a" / f"{number}.mp4").write_bytes(encode_mp4(wide, 25, crf=1))
    dataset = ClipDataset(shards_of(root, tmp_path / "work"), "train", 32, 12, 2)
    assert dataset.shapes.tolist() == [[32, 64]] * 3
    for left in (0, 1, 7, 16, 32):
        clip = dataset.read(0, 1, 0, left)
        straight = np.roll(clip, left, axis=2)
        assert [read_frame_number(frame) for frame in straight] == list(range(1, 25, 2))
    lefts = set()
    for clips, _ in itertools.islice(training_batches(RandomClips(dataset, 0), 8), 10):
        for clip in clips.permute(0, 1, 3, 4, 2).numpy():
            lefts.add(min(left for left in range(32) if in_step(np.roll(clip, left, axis=2))))
    assert len(lefts) > 8


def in_step(clip: np.ndarray) -> bool:
    """Whether the barcodes, read without a shift, count up by the stride of 2."""
    first, *others = (read_frame_number(frame) for frame in clip)
    return others == list(range(first + 2, first + 24, 2))


def test_batches_are_a_function_of_seed_and_number(shards: Path) -> None:
    dataset = ClipDataset(shards, "train", 32, 12, 2)

    def take(count: int, start: int = 0, seed: int = 0, **how: int) -> list[torch.Tensor]:
        return rows(training_batches(RandomClips(dataset, seed), 4, start, RankShard(**how)), count)

    straight = take(6)
    assert straight[0].shape == (4, 12 * 3 * 32 * 32 + 1)
    assert same(take(4, start=2), straight[2:])
    assert same(take(6, workers=2), straight)
    for rank in range(2):
        assert same(take(6, rank=rank, world=2), [batch[rank::2] for batch in straight])
    assert not torch.equal(take(1, seed=1)[0], straight[0])


def test_ranks_are_disjoint_and_together_the_batch_whatever_the_shards(shards: Path) -> None:
    """Three ranks over shards of 3, 3 and 2 videos, with as many workers as they like."""
    dataset = ClipDataset(shards, "train", 32, 12, 2)
    clips = RandomClips(dataset, 0)
    whole = rows(training_batches(clips, 6), 6)
    rank_shards = [RankShard(rank, 3, workers=rank) for rank in range(3)]
    parts = [
        rows(training_batches(clips, 6, rank_shard=rank_shard), 6) for rank_shard in rank_shards
    ]
    for batch, *of_ranks in zip(whole, *parts, strict=True):
        assert torch.equal(torch.stack(of_ranks, dim=1).flatten(0, 1), batch)


def test_epochs_are_whole_when_the_number_of_processes_changes(shards: Path) -> None:
    """Three epochs of eight videos in four batches of six."""
    dataset = ReadVideos(shards, "train", 32, 12, 2)
    clips = RandomClips(dataset, 0)
    for number, world in enumerate((1, 2, 3, 1)):
        for rank in range(world):
            next(training_batches(clips, 6, number, RankShard(rank, world)))
    assert sorted(dataset.read_videos) == sorted(3 * list(range(8)))


class ReadVideos(ClipDataset):
    """Notes which videos are read."""

    def __init__(self, *how: Any) -> None:
        super().__init__(*how)
        self.read_videos: list[int] = []

    def read(self, video: int, start: int, top: int, left: int) -> np.ndarray:
        self.read_videos.append(video)
        return super().read(video, start, top, left)


def test_the_global_generator_is_left_alone(shards: Path) -> None:
    before = torch.get_rng_state()
    clips = RandomClips(ClipDataset(shards, "train", 32, 12, 2), 0)
    next(training_batches(clips, 4, rank_shard=RankShard(workers=1)))
    assert torch.equal(torch.get_rng_state(), before)


def test_an_epoch_shows_every_video_once_and_windows_vary(shards: Path) -> None:
    dataset = ClipDataset(shards, "train", 32, 12, 2)
    videos = len(dataset)
    batches = training_batches(RandomClips(dataset, 0), videos)
    starts = set()
    for clips, labels in itertools.islice(batches, 12):
        assert sorted(labels.tolist()) == sorted(dataset.labels.tolist())
        starts |= {numbers(clip)[0] for clip in clips}
    assert starts == set(range(32 - 23 + 1))  # every possible start, both ends included


def test_a_batch_larger_than_the_split_wraps_around(shards: Path) -> None:
    dataset = ClipDataset(shards, "test", 32, 12, 2)
    _, labels = next(training_batches(RandomClips(dataset, 0), 4 * len(dataset)))
    counts = np.bincount(labels.numpy(), minlength=4)
    assert (counts == 4 * np.bincount(dataset.labels, minlength=4)).all()


def test_reference_clips_are_evenly_spaced(shards: Path) -> None:
    dataset = ClipDataset(shards, "train", 32, 12, 2)
    batches = list(reference_clips(dataset, clips_per_video=5, batch_size=7))
    clips = torch.cat([clips for clips, _ in batches])
    labels = torch.cat([labels for _, labels in batches])
    assert labels.tolist() == np.repeat(dataset.labels, 5).tolist()
    # Ten possible starts in five equal parts: the middle of each.
    assert [numbers(clip)[0] for clip in clips] == [1, 3, 5, 7, 9] * len(dataset)


def test_damage_names_the_shard_and_the_sample(shards: Path, tmp_path: Path) -> None:
    broken = tmp_path / "shards"
    shutil.copytree(shards, broken)
    dataset = ClipDataset(broken, "train", 32, 12, 1)
    name, offset = dataset._shards[0], int(dataset._offsets[0])
    data = bytearray((broken / name).read_bytes())
    data[offset + 8 + 8 * 33 : offset + 8 + 8 * 33 + 400] = bytes(400)
    (broken / name).write_bytes(data)
    with pytest.raises(UserError, match=rf"{name} is damaged at sample {dataset.ids[0]}"):
        dataset.read(0, 0, 0, 0)
    data[offset : offset + 4] = b"DVDG"
    (broken / name).write_bytes(data)
    with pytest.raises(UserError, match="is damaged at sample"):  # through a worker process too
        batches = training_batches(RandomClips(dataset, 0), 8, rank_shard=RankShard(workers=1))
        list(itertools.islice(batches, 9))
    (broken / name).write_bytes(data[:-512])
    with pytest.raises(UserError, match=r"differs from index\.json"):
        dataset.read(0, 20, 0, 0)


def test_what_does_not_fit_is_said_at_once(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="do not fit into frames of 32"):
        ClipDataset(shards, "train", 64, 12, 1)
    with pytest.raises(UserError, match="has 32 frames; a clip of 12 frames at stride 3 needs 34"):
        ClipDataset(shards, "train", 32, 12, 3)
    with pytest.raises(UserError, match="contains no video"):
        ClipDataset(shards, "validation", 32, 12, 1)
    with pytest.raises(UserError, match="the shards do not exist"):
        ClipDataset(tmp_path, "train", 32, 12, 1)


def test_the_classes_are_named_by_label(shards: Path) -> None:
    dataset = ClipDataset(shards, "train", 32, 12, 1)
    assert dataset.classes == ["bar_rotating", "circle_right", "ring_growing", "square_down"]
    assert read_json(shards / "index.json")["totals"]["videos"] == 12


def test_conditioning_frames_are_what_a_numbered_clip_begins_with(shards: Path) -> None:
    dataset = ClipDataset(shards, "train", 32, 6, 2)
    source = ConditioningFrames(dataset, seed=3, frames=2)
    clips, labels = source.clips(slice(0, 20))
    assert clips.shape == (20, 6, 3, 32, 32)
    assert torch.equal(source[0:20], clips[:, :2])
    assert torch.equal(source.labels(slice(0, 20)), labels)
    for number in (0, 7, 19):  # whatever it is read together with
        assert torch.equal(source[number : number + 1][0], clips[number, :2])
    of_training, _ = next(training_batches(RandomClips(dataset, 3), 20))
    assert torch.equal(of_training, clips)
    for clip in clips:
        first, *others = numbers(clip)
        assert others == [first + 2 * step for step in range(1, 6)]
    assert not torch.equal(ConditioningFrames(dataset, 4, 2)[0:20], source[0:20])
