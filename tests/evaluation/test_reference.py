"""Real statistics: kept clips, moments and mean clip against plain arithmetic; files."""

import numpy as np
import pytest
import torch

from dvdgan.errors import UserError
from dvdgan.evaluation import reference
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.reference import (
    Description,
    MeanClip,
    RealReference,
    RealStatistics,
    load_mean_clip,
    save_description,
)

DESCRIPTION = Description("small_i3d", "ab" * 32, 32, 12, 1, 4)


def numbered(start, count):
    """Features that carry their own place in the order."""
    places = torch.arange(start, start + count)
    column = places.float()[:, None]
    return ClipFeatures(
        column.expand(-1, 3) ** 2, column.expand(-1, 2), places, *[places.float()] * 3
    )


def test_moments_use_all_clips_and_the_kept_ones_are_evenly_spread(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "KEPT_CLIPS", 10)
    statistics = RealStatistics(total=43)
    for start in range(0, 43, 16):
        statistics.add(numbered(start, min(16, 43 - start)))
    statistics.save(tmp_path, "train")
    save_description(tmp_path, DESCRIPTION, {"train": 43})
    loaded = RealReference.load(tmp_path, "train")
    assert (loaded.clips, loaded.split, loaded.description) == (43, "train", DESCRIPTION)
    expected = np.cov((np.arange(43.0)[:, None].repeat(3, 1) ** 2).T)
    np.testing.assert_allclose(loaded.pooled.covariance, expected, rtol=1e-12)
    kept = ClipFeatures.load(tmp_path / "train_clips.safetensors").labels
    assert kept.tolist() == [0, 4, 8, 12, 17, 21, 25, 30, 34, 38]


def test_few_clips_are_all_kept(tmp_path):
    statistics = RealStatistics(total=5)
    statistics.add(numbered(0, 5))
    statistics.save(tmp_path, "test")
    kept = ClipFeatures.load(tmp_path / "test_clips.safetensors").labels
    assert kept.tolist() == [0, 1, 2, 3, 4]


def test_a_split_without_clips_is_an_error(tmp_path):
    with pytest.raises(UserError, match="test split holds no clips"):
        RealStatistics(total=0).save(tmp_path, "test")


def test_the_mean_clip_is_numpys_and_lets_clips_through(tmp_path):
    generator = torch.Generator().manual_seed(0)
    clips = torch.randint(0, 256, (21, 3, 3, 4, 4), generator=generator).to(torch.uint8)
    labels = torch.arange(21)
    mean = MeanClip()
    seen = list(mean.watch(zip(clips.split(8), labels.split(8), strict=True)))
    assert torch.equal(torch.cat([part for part, _ in seen]), clips)
    mean.save(tmp_path)
    expected = np.round(clips.numpy().astype(np.float64).mean(0)).astype(np.uint8)
    np.testing.assert_array_equal(load_mean_clip(tmp_path), expected)
