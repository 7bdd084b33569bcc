"""The document of a comparison, for clips with known features."""

import pytest
import torch

from dvdgan.comparison.report import comparison_details, protocol_warnings, real_halves
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.measurement import measure_fully
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.reference import Description, RealStatistics
from dvdgan.reporting.scores import metrics_by_name


def clips(count, seed=0):
    """Features of ``count`` clips of three classes in turn."""
    draws = torch.Generator().manual_seed(seed)
    pooled, logits = torch.randn(count, 8, generator=draws), torch.randn(count, 3, generator=draws)
    return ClipFeatures(pooled, logits, torch.arange(count) % 3, *torch.zeros(3, count))


def reference(features, keep, protocol="self_trained", clips_per_video=1):
    statistics = RealStatistics(len(features), keep)
    statistics.add(features)
    described = Description(
        protocol=protocol,
        data="0123456789abcdef",
        network="small_i3d",
        weights_sha256="0" * 64,
        value_range="[-1, 1]",
        resize="none",
        resolution=32,
        frames=16,
        stride=1,
        clips_per_video=clips_per_video,
    )
    return statistics.reference(described, "train")


@pytest.mark.parametrize("total", [128, 194, 384])
def test_all_clips_of_a_video_are_in_one_half_of_real_clips(total):
    """Videos of two clips, some of which are kept: they go to the halves in turn."""
    features = clips(total)
    [section] = real_halves(reference(features, 96, clips_per_video=2)).values()
    metrics = metrics_by_name(section)
    kept = [place * total // 96 for place in range(96)]
    videos = sorted({place // 2 for place in kept})
    halves = [
        features.rows(torch.tensor([each for each in kept if each // 2 in videos[start::2]]))
        for start in (0, 1)
    ]
    expected = frechet_distance(*(Moments.of(half.logits) for half in halves))
    assert metrics["FVD"]["value"] == pytest.approx(expected, rel=1e-9)
    settings = metrics["FVD"]["protocol"]
    assert (settings["clips"], settings["real_clips"]) == tuple(map(len, halves))
    assert settings["clips"] + settings["real_clips"] == 96


def test_there_are_no_halves_that_are_too_small():
    assert real_halves(reference(clips(63), 63)) == {}
    assert real_halves(reference(clips(640), 64, clips_per_video=640)) == {}


@pytest.mark.parametrize(
    ("protocol", "saved", "expected"),
    [
        ("self_trained", True, True),
        ("unterthiner_fvd", True, False),
        ("unterthiner_fvd", False, True),
    ],
)
def test_classes_are_reported_where_both_sides_have_the_same_labels(protocol, saved, expected):
    real, generated = reference(clips(64), 64, protocol), clips(48, seed=1)
    found = comparison_details(measure_fully(generated, real), generated, real, saved)
    assert ("per_class" in found) == expected


def test_one_of_several_sets_is_told_as_that():
    assert "the mean over 4 sets" in protocol_warnings("tgan_is")[0]
    assert protocol_warnings("self_trained") == []
