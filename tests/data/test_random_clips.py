"""Windows, crops and flips: what each choice fixes, and that it leaves the other draws alone."""

import numpy as np
import pytest
import torch
from small_shards import shards_of

from dvdgan.config.schema import Augmentation
from dvdgan.data.dataset import ClipDataset
from dvdgan.data.random_clips import RandomClips
from dvdgan.data.synthetic import draw, read_frame_number
from dvdgan.video.encode import encode_mp4

MANY = range(60)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> ClipDataset:
    """Three videos of 24 frames, 32 high and 64 wide: two equal halves side by side."""
    root = tmp_path_factory.mktemp("wide")
    (root / "videos" / "a").mkdir(parents=True)
    for number in range(4):
        half = draw("circle_right", np.random.default_rng(number), 32, 24)
        mp4 = encode_mp4(np.concatenate([half, half], axis=2), 25, crf=1)
        (root / "videos" / "a" / f"{number}.mp4").write_bytes(mp4)
    return ClipDataset(shards_of(root / "videos", root / "work"), "train", 32, 6, 2)


def clips(dataset: ClipDataset, window: str = "random", crop: str = "random", flip: bool = False):
    how = Augmentation(temporal_window=window, crop=crop, flip=flip)
    found, _ = RandomClips(dataset, 0, how).read(MANY)
    return found


def first_frame_numbers(found: torch.Tensor) -> set[int]:
    """Of clips whose crop is a whole half."""
    return {read_frame_number(clip[0].permute(1, 2, 0).numpy()) for clip in found}


def test_without_a_choice_all_is_random_and_nothing_flipped(wide: ClipDataset) -> None:
    plain, _ = RandomClips(wide, 0).read(MANY)
    assert torch.equal(plain, clips(wide))


def test_a_central_crop_is_the_middle_half(wide: ClipDataset) -> None:
    """The crop at 16 of two equal halves is the half rolled by 16; windows stay as random."""
    found = torch.roll(clips(wide, crop="center"), 16, dims=-1)
    assert first_frame_numbers(found) == set(range(24 - 11 + 1))


def test_a_central_window_begins_in_the_middle(wide: ClipDataset) -> None:
    found = torch.roll(clips(wide, window="center", crop="center"), 16, dims=-1)
    assert first_frame_numbers(found) == {(24 - 11) // 2}
    lefts = {clip.numpy().tobytes() for clip in clips(wide, window="center")}
    assert len(lefts) > 30  # crops stay random


def test_a_flip_mirrors_half_of_the_clips_each_as_a_whole(wide: ClipDataset) -> None:
    straight, flipped = clips(wide), clips(wide, flip=True)
    flips = [torch.equal(b, a.flip(-1)) for a, b in zip(straight, flipped, strict=True)]
    same = [torch.equal(b, a) for a, b in zip(straight, flipped, strict=True)]
    assert all(a != b for a, b in zip(flips, same, strict=True))
    assert 0.3 < np.mean(flips) < 0.7
