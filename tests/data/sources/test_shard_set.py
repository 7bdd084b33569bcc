"""Clips of a shard set: the same as the data set's own, one a video, with classes."""

import numpy as np
import pytest

from dvdgan.data.dataset import ClipDataset
from dvdgan.data.loader import reference_clips
from dvdgan.data.sources.clip_source import Windowing
from dvdgan.data.sources.opening import Place, ReadOptions, open_sources
from dvdgan.data.sources.shard_set import ShardSet
from dvdgan.errors import UserError


def test_the_centre_window_is_that_of_the_saved_statistics(shards):
    source = ShardSet(shards, "train", Windowing(4, 2, "centre"), 16)
    dataset = ClipDataset(shards, "train", 16, 4, 2)
    [(clips, labels)] = reference_clips(dataset, 1)
    read = source.read(0, 100)
    assert np.array_equal(read.clips, clips)
    assert read.labels.equal(labels)
    assert source.classes == dataset.classes
    assert np.array_equal(source.read(2, 5).clips, clips[2:5])


def test_without_a_resolution_it_is_the_short_side(shards):
    source = ShardSet(shards, "train", Windowing(4))
    assert source.shape == (4, 32)
    assert source.fingerprint() != ShardSet(shards, "train", Windowing(5)).fingerprint()


def test_paths_are_opened_as_what_they_are(shards, synthetic_videos, tmp_path):
    clips = np.zeros((3, 4, 3, 32, 32), np.uint8)
    np.save(tmp_path / "clips.npy", clips)
    paths = [tmp_path / "clips.npy", shards, synthetic_videos]
    strides = (None, 2, 3)
    places = [Place(path, "real", stride) for path, stride in zip(paths, strides, strict=True)]
    kinds = open_sources(places, ReadOptions(resolution=32))
    assert [type(each).__name__ for each in kinds] == ["ArrayFile", "ShardSet", "VideoFolder"]
    assert [each.shape for each in kinds] == [(4, 32)] * 3  # frames are the array's
    assert [each.preprocessing.stride for each in kinds] == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "options", "what"),
    [
        ("nothing", ReadOptions(frames=4), "is neither a folder"),
        ("clips.npy", ReadOptions(frames=5), "4 frames of 32 pixels, not 5 of 32"),
        ("clips.npy", ReadOptions(resolution=64), "4 frames of 32 pixels, not 4 of 64"),
        ("", ReadOptions(), "is required for videos"),
    ],
)
def test_what_does_not_open_is_explained(tmp_path, name, options, what):
    np.save(tmp_path / "clips.npy", np.zeros((3, 4, 3, 32, 32), np.uint8))
    with pytest.raises(UserError, match=what):
        open_sources([Place(tmp_path / name, "real")], options)
