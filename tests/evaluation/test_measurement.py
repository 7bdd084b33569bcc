"""Metrics under their conditions: values computed here, full names, refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from dvdgan.errors import UserError
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.measurement import compare, measure, measure_fully, measure_with_intervals
from dvdgan.evaluation.measurement_settings import SamplingSettings
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.reference import Description, RealReference, data_fingerprint


def features(count, seed, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (count,), generator=generator)
    logits = torch.randn(count, 3, generator=generator) + shift
    flat = torch.zeros(count)
    return ClipFeatures(
        torch.randn(count, 6, generator=generator) + shift, logits, labels, flat, flat, flat
    )


def reference_of(real, protocol="self_trained", network="small_i3d"):
    described = Description(
        protocol,
        data_fingerprint("some videos"),
        network,
        "1a2b3c4d5e6f" + "0" * 52,
        "[-1, 1]",
        "none",
        32,
        12,
        1,
        4,
    )
    moments = Moments.of(real.pooled), Moments.of(real.logits)
    return RealReference(described, "train", *moments, real)


REAL = features(480, seed=0)


def frechet_by_scipy(one, other):
    gap = one.mean(0) - other.mean(0)
    a, b = np.cov(one.T), np.cov(other.T)
    return gap @ gap + np.trace(a + b - 2 * sqrtm(a @ b).real)


def test_values_are_those_computed_by_scipy():
    fake = features(256, seed=1, shift=0.5)
    metrics = measure(fake, reference_of(REAL)).metrics
    assert set(metrics) == {"FID", "FVD", "IS", "accuracy"}
    for name, layer in (("FID", "pooled"), ("FVD", "logits")):
        sides = [getattr(side, layer).double().numpy() for side in (fake, REAL)]
        assert metrics[name].value == pytest.approx(frechet_by_scipy(*sides), rel=1e-6)
    right = sum(int(row.argmax() == y) for row, y in zip(fake.logits, fake.labels, strict=True))
    assert metrics["accuracy"].value == pytest.approx(right / 256)


def test_a_protocol_tells_its_own_metrics_alone():
    paper = reference_of(REAL, "dvdgan_fid_is", "i3d_k600")
    assert set(measure(features(64, 1), paper).metrics) == {"FID", "IS"}


def test_names_say_everything_a_reader_needs():
    metrics = measure(features(256, seed=1), reference_of(REAL), SamplingSettings(seed=7)).metrics
    assert metrics["FVD"].name == (
        "FVD[self_trained: small_i3d@1a2b3c4d logits, 12x32x32 stride 1, 256 clips vs 480 "
        f"train@{data_fingerprint('some videos')[:8]}, seed 7]"
    )
    assert metrics["IS"].name == (
        "IS[self_trained: small_i3d@1a2b3c4d logits, 12x32x32 stride 1, 256 clips, seed 7]"
    )
    written = metrics["FID"].to_json()
    assert written["protocol"]["layer"] == "pooled"
    assert written["protocol"]["weights_sha256"].startswith("1a2b3c4d5e6f")
    assert written["protocol"]["value_range"] == "[-1, 1]"


def test_equal_conditions_compare_and_unequal_ones_are_named():
    one = measure(features(64, seed=1), reference_of(REAL), SamplingSettings(0)).metrics["FVD"]
    other = measure(features(64, seed=2), reference_of(REAL), SamplingSettings(0)).metrics["FVD"]
    assert compare(one, other) == pytest.approx(other.value - one.value)
    longer = replace(other, settings=replace(other.settings, frames=48, clips=128))
    with pytest.raises(UserError, match="are not comparable") as caught:
        compare(one, longer)
    assert caught.value.where == "frames: 12 and 48; clips: 64 and 128"
    with pytest.raises(UserError, match="FVD and IS are different"):
        compare(
            one,
            measure(features(64, seed=1), reference_of(REAL), SamplingSettings(0)).metrics["IS"],
        )


@pytest.mark.parametrize("measured_by", [measure, measure_fully])
def test_too_few_clips_are_refused(measured_by):
    with pytest.raises(UserError, match="31 clips are too few for self_trained"):
        measured_by(features(31, seed=1), reference_of(REAL))
    with pytest.raises(UserError, match="use at least 256"):
        measured_by(features(255, seed=1), reference_of(REAL), fewest_clips=256)


def test_fewer_clips_than_dimensions_come_with_a_warning():
    wide = replace(features(40, seed=1), pooled=torch.randn(40, 64))
    real = replace(REAL, pooled=torch.randn(480, 64))
    [warning] = measure(wide, reference_of(real)).warnings
    assert warning.startswith("FID: 40 measured clips for 64 feature dimensions")
    assert measure(features(64, 1), reference_of(REAL)).warnings == []


def test_every_number_of_a_full_measurement_has_an_interval_that_holds_it():
    fake = features(256, seed=1, shift=0.5)
    everyone = features(40_000, seed=0)
    reference = replace(reference_of(everyone), kept=REAL)
    full = measure_fully(fake, reference, SamplingSettings(3))
    metrics = full.measurement.metrics
    assert set(metrics) == {
        *("FVD", "FID", "IS", "accuracy", "FVD_infinity", "FID_infinity"),
        *("KVD", "precision", "recall", "density", "coverage"),
    }
    for name, metric in metrics.items():
        low, high = metric.interval
        assert low <= metric.value <= high, name
        assert name in metric.name and metric.settings.seed == 3
    bare = measure(fake, reference, SamplingSettings(3)).metrics
    for name, metric in bare.items():
        assert metrics[name].value == metric.value
        assert metrics[name].settings == metric.settings
    # True distances: three and six dimensions, each shifted by a half.
    for name, truth in (("FVD_infinity", 0.75), ("FID_infinity", 1.5)):
        low, high = metrics[name].interval
        assert low < truth < high
    assert metrics["KVD"].settings.layer == "logits"
    assert full.per_class.keys() == {0, 1, 2}
    assert full.details["clips_for_2_percent"]["FVD"] > 256


def test_intervals_change_no_value():
    fake = features(64, seed=1)
    plain = measure(fake, reference_of(REAL)).metrics
    metrics = measure_with_intervals(fake, reference_of(REAL)).metrics
    assert {name: each.value for name, each in metrics.items()} == {
        name: each.value for name, each in plain.items()
    }
    assert all(each.interval[0] <= each.value <= each.interval[1] for each in metrics.values())


def test_numbers_against_other_real_clips_do_not_compare():
    one, other = (
        replace(reference_of(REAL), description=replace(reference_of(REAL).description, data=mark))
        for mark in ("a" * 16, "b" * 16)
    )
    fake = features(64, seed=1)
    with pytest.raises(UserError, match="are not comparable") as caught:
        compare(measure(fake, one).metrics["FVD"], measure(fake, other).metrics["FVD"])
    assert caught.value.where == f"data: {'a' * 16} and {'b' * 16}"
    scores = [measure(fake, each).metrics["IS"] for each in (one, other)]
    assert compare(*scores) == 0  # it compares with no real clips


def test_accuracy_is_told_where_the_network_knows_the_data_s_classes():
    foreign = reference_of(REAL, "unterthiner_fvd", "i3d_k400")
    full = measure_fully(features(64, 1), foreign)
    assert "accuracy" not in full.measurement.metrics
    assert {row["accuracy"] for row in full.per_class.values()} == {None}
    own = measure_fully(features(64, 1), reference_of(REAL))
    assert all(0 <= row["accuracy"] <= 1 for row in own.per_class.values())


def test_a_perfect_accuracy_has_an_interval_below_one():
    clips = features(64, 1)
    sure = replace(clips, labels=clips.logits.argmax(1))
    low, high = measure_with_intervals(sure, reference_of(REAL)).metrics["accuracy"].interval
    assert 0.9 < low < high == 1


def test_the_real_clips_themselves_are_at_distance_zero():
    full = measure_fully(REAL, reference_of(REAL))
    assert full.measurement.metrics["FVD"].value == pytest.approx(0, abs=1e-9)
    assert "FVD" in full.details["clips_for_2_percent"]


@pytest.mark.parametrize("layer", ["pooled", "logits"])
def test_features_that_are_not_finite_are_refused(layer):
    clips = features(64, 0)
    getattr(clips, layer)[5:8, 1] = torch.tensor([torch.nan, torch.inf, -torch.inf])
    with pytest.raises(UserError, match="the features of 3 of 64 clips are not finite"):
        measure(clips, reference_of(features(64, 1)))
