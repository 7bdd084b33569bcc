"""Whether clips differ: against plain loops over pairs, and on sets that collapse in known ways."""

import numpy as np
import pytest
import torch

from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.manifold import manifold_scores
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.pixel_statistics import PixelRanges, PixelStatistics
from dvdgan.evaluation.reference import Description, RealReference
from dvdgan.evaluation.sample_health import sample_health

CLASSES, DIMENSIONS = 3, 8


def drawn(count, seed):
    """Features around the centre of each class, (count, D), and labels 0, 1, 2, 0, ..."""
    randomness = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    centres = 4 * torch.eye(DIMENSIONS)[:CLASSES]
    return centres[labels] + torch.randn(count, DIMENSIONS, generator=randomness), labels


def clip_features(pooled, labels):
    return ClipFeatures(pooled, pooled[:, :2], labels, *[torch.zeros(len(labels))] * 3)


def reference(pooled, labels, clips_per_video=1):
    description = Description("", "", "", "", "", "none", 32, 8, 1, clips_per_video)
    kept = clip_features(pooled, labels)
    moments = Moments.of(pooled), Moments.of(pooled[:, :2])
    return RealReference(description, "train", *moments, kept)


def health(pooled, labels, real, distinct=None):
    lively = PixelStatistics(*[torch.ones(len(labels), dtype=torch.float64)] * 5)
    ranges = PixelRanges(*[(0.5, 1.0)] * 5)
    return sample_health(clip_features(pooled, labels), lively, real, ranges, distinct)


def plain(pooled, labels, videos):
    """Mean distance of pairs, that of each class, and every clip's nearest, of other videos."""
    every, within, nearest = [], {}, []
    for i, one in enumerate(pooled.double().numpy()):
        distances = []
        for j, other in enumerate(pooled.double().numpy()):
            if videos[i] == videos[j]:
                continue
            distances.append(float(np.linalg.norm(one - other)))
            if labels[i] == labels[j]:
                within.setdefault(int(labels[i]), []).append(distances[-1])
        every += distances
        nearest.append(min(distances))
    return np.mean(every), {label: np.mean(each) for label, each in within.items()}, nearest


def test_the_signs_are_those_of_plain_loops():
    """Classes without a pair in either set do not count, nor do pairs within a video."""
    pooled, labels = drawn(40, 0)
    labels[0], labels[1] = 7, 8  # one clip each
    real_pooled, real_labels = drawn(60, 1)
    real_pooled, real_labels = real_pooled.sort(0).values, real_labels.sort().values
    real_labels[4:8] = 8  # a class of one video
    pooled[5] = pooled[9] + 1e-3
    found = health(pooled, labels, reference(real_pooled, real_labels, clips_per_video=4))
    mean, within, nearest = plain(pooled, labels, range(40))
    real_mean, real_within, real_nearest = plain(
        real_pooled, real_labels, [place // 4 for place in range(60)]
    )
    assert found["diversity"] == pytest.approx(mean / real_mean)
    ratios = [within[label] / real_within[label] for label in range(CLASSES)]
    assert found["class_diversity"] == pytest.approx(np.mean(ratios))
    near = np.quantile(real_nearest, 0.01) / 2
    assert found["near_duplicates"] == np.mean([each < near for each in nearest]) == 2 / 40
    assert found["recall"] == manifold_scores(pooled, real_pooled).recall


def test_clips_of_the_real_distribution_are_healthy():
    found = health(*drawn(64, 0), reference(*drawn(1000, 1)))
    assert found["diversity"] == pytest.approx(1, abs=0.1)
    assert found["class_diversity"] == pytest.approx(1, abs=0.1)
    assert found["recall"] > 0.5
    assert found["near_duplicates"] == 0
    assert found["static"] == found["uniform"] == found["saturated"] == found["flickering"] == 0


def test_one_clip_for_everything_is_no_life():
    pooled, labels = drawn(64, 0)
    found = health(pooled[:1].expand(64, -1), labels, reference(*drawn(300, 1)))
    assert found["diversity"] == found["class_diversity"] == found["recall"] == 0
    assert found["near_duplicates"] == 1


def test_one_clip_per_class_shows_within_classes():
    pooled, labels = drawn(63, 0)
    found = health(pooled[labels], labels, reference(*drawn(300, 1)))
    assert found["diversity"] > 0.5
    assert found["class_diversity"] == 0
    assert found["near_duplicates"] == 1


def test_diversity_falls_with_the_spread():
    pooled, labels = drawn(64, 0)
    real = reference(*drawn(300, 1))
    found = [health(pooled * part, labels, real)["diversity"] for part in (1, 0.5, 0.1, 0.01)]
    assert np.array(found) / found[0] == pytest.approx([1, 0.5, 0.1, 0.01], rel=1e-5)


def test_a_video_that_is_there_twice_does_not_excuse_copies():
    real_pooled, real_labels = drawn(300, 1)
    real_pooled[1] = real_pooled[0]
    pooled, labels = drawn(64, 0)
    found = health(pooled[:8].repeat(8, 1), labels, reference(real_pooled, real_labels))
    assert found["near_duplicates"] == 1


def test_windows_of_one_video_neither_lower_the_standard_nor_hide_copies():
    """Four equal clips of each video: the standard is what different videos differ by."""
    pooled, labels = drawn(64, 0)
    once = reference(*drawn(300, 1))
    repeated = reference(*(each.repeat_interleave(4, 0) for each in drawn(300, 1)), 4)
    for made in (pooled, pooled[:8].repeat(8, 1)):
        few, many = health(made, labels, once), health(made, labels, repeated)
        for name in ("diversity", "class_diversity", "near_duplicates"):
            assert many[name] == pytest.approx(few[name]), name


def test_continuations_of_one_video_are_no_copies():
    pooled, labels = drawn(60, 0)
    real = reference(*drawn(300, 1))
    again = health(pooled[:20].repeat(3, 1), labels[:20].repeat(3), real, distinct=20)
    assert again["near_duplicates"] == 0
    assert again["diversity"] == health(pooled[:20], labels[:20], real)["diversity"]


def test_where_no_class_has_two_clips_its_diversity_is_left_out():
    pooled, _ = drawn(12, 0)
    assert "class_diversity" not in health(pooled, torch.arange(12), reference(*drawn(300, 1)))


def test_a_single_real_video_is_compared_clip_by_clip():
    pooled, labels = drawn(64, 0)
    found = health(pooled, labels, reference(*drawn(300, 1), clips_per_video=300))
    assert found["diversity"] == pytest.approx(1, abs=0.1)
