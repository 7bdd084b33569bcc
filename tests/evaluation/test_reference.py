"""Real statistics: kept clips, moments and mean clip against plain arithmetic; files."""

import numpy as np
import pytest
import torch

from dvdgan.errors import UserError
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.reference import (
    Description,
    RealReference,
    RealStatistics,
    load_mean_clip,
    save_description,
    save_mean_clip,
)

DESCRIPTION = Description(
    "self_trained", "cd" * 8, "small_i3d", "ab" * 32, "[-1, 1]", "none", 32, 12, 1, 4
)


def numbered(start, count):
    """Features that carry their own place in the order."""
    places = torch.arange(start, start + count)
    column = places.float()[:, None]
    return ClipFeatures(
        column.expand(-1, 3) ** 2, column.expand(-1, 2), places, *[places.float()] * 3
    )


def test_moments_use_all_clips_and_the_kept_ones_are_evenly_spread(tmp_path):
    statistics = RealStatistics(total=43, keep=10)
    for start in range(0, 43, 16):
        statistics.add(numbered(start, min(16, 43 - start)))
    statistics.save(tmp_path, "train")
    save_description(tmp_path, DESCRIPTION, {"train": 43})
    loaded = RealReference.load(tmp_path, "train")
    assert (loaded.clips, loaded.split, loaded.description) == (43, "train", DESCRIPTION)
    expected = np.cov((np.arange(43.0)[:, None].repeat(3, 1) ** 2).T)
    np.testing.assert_allclose(loaded.pooled.covariance, expected, rtol=1e-12)
    assert loaded.kept.labels.tolist() == [0, 4, 8, 12, 17, 21, 25, 30, 34, 38]
    # Four clips of each video, in order.
    assert loaded.kept_videos.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_few_clips_are_all_kept(tmp_path):
    statistics = RealStatistics(total=5, keep=10)
    statistics.add(numbered(0, 5))
    statistics.save(tmp_path, "test")
    kept = ClipFeatures.load(tmp_path / "test_clips.safetensors").labels
    assert kept.tolist() == [0, 1, 2, 3, 4]


def test_a_split_without_clips_is_an_error(tmp_path):
    with pytest.raises(UserError, match="test split contains no clips"):
        RealStatistics(total=0, keep=10).save(tmp_path, "test")


def test_a_test_split_counts_where_it_has_enough_clips(tmp_path):
    for split, count in (("train", 40), ("test", 9)):
        statistics = RealStatistics(total=count, keep=5)
        statistics.add(numbered(0, count))
        statistics.save(tmp_path, split)
    save_description(tmp_path, DESCRIPTION, {"train": 40, "test": 9})
    assert RealReference.load_all(tmp_path, 9).keys() == {"train", "test"}
    assert RealReference.load_all(tmp_path, 10).keys() == {"train"}


def test_the_mean_clip_is_numpys(tmp_path):
    generator = torch.Generator().manual_seed(0)
    clips = torch.randint(0, 256, (21, 3, 3, 4, 4), generator=generator).to(torch.uint8)
    path = tmp_path / "mean.safetensors"
    save_mean_clip(path, zip(clips.split(8), torch.arange(21).split(8), strict=True))
    expected = np.round(clips.numpy().astype(np.float64).mean(0)).astype(np.uint8)
    np.testing.assert_array_equal(load_mean_clip(path), expected)
    with pytest.raises(UserError, match="no clips to average"):
        save_mean_clip(path, [])
