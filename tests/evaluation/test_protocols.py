"""Protocols: full names, refusals, and metrics against numbers computed here."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from dvdgan.config import schema
from dvdgan.errors import UserError
from dvdgan.evaluation import protocols
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.protocols import compare, measure
from dvdgan.evaluation.reference import Description, RealReference


def features(count, seed, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (count,), generator=generator)
    logits = torch.randn(count, 3, generator=generator) + shift
    flat = torch.zeros(count)
    return ClipFeatures(
        torch.randn(count, 6, generator=generator) + shift, logits, labels, flat, flat, flat
    )


def reference_of(real):
    description = Description("small_i3d", "1a2b3c4d5e6f" + "0" * 52, 32, 12, 1, 4)
    return RealReference(description, "train", Moments.of(real.pooled), Moments.of(real.logits))


REAL = features(480, seed=0)


def frechet_by_scipy(one, other):
    gap = one.mean(0) - other.mean(0)
    a, b = np.cov(one.T), np.cov(other.T)
    return gap @ gap + np.trace(a + b - 2 * sqrtm(a @ b).real)


def test_values_are_those_computed_by_scipy():
    fake = features(256, seed=1, shift=0.5)
    metrics = measure(fake, reference_of(REAL), seed=0).metrics
    assert set(metrics) == {"FID", "FVD", "IS", "accuracy"}
    for name, layer in (("FID", "pooled"), ("FVD", "logits")):
        sides = [getattr(side, layer).double().numpy() for side in (fake, REAL)]
        assert metrics[name].value == pytest.approx(frechet_by_scipy(*sides), rel=1e-6)
    right = sum(int(row.argmax() == y) for row, y in zip(fake.logits, fake.labels, strict=True))
    assert metrics["accuracy"].value == pytest.approx(right / 256)


def test_names_say_everything_a_reader_needs():
    metrics = measure(features(256, seed=1), reference_of(REAL), seed=7).metrics
    assert metrics["FVD"].name == (
        "FVD[small_i3d@1a2b3c4d logits, 12x32x32 stride 1, 256 clips vs 480 train, seed 7]"
    )
    assert metrics["IS"].name == (
        "IS[small_i3d@1a2b3c4d logits, 12x32x32 stride 1, 256 clips, seed 7]"
    )
    written = metrics["FID"].to_json()
    assert written["protocol"]["layer"] == "pooled"
    assert written["protocol"]["weights_sha256"].startswith("1a2b3c4d5e6f")


def test_equal_protocols_compare_and_unequal_ones_are_named():
    one = measure(features(64, seed=1), reference_of(REAL), seed=0).metrics["FVD"]
    other = measure(features(64, seed=2), reference_of(REAL), seed=0).metrics["FVD"]
    assert compare(one, other) == pytest.approx(other.value - one.value)
    longer = replace(other, protocol=replace(other.protocol, frames=48, clips=128))
    with pytest.raises(UserError, match="do not compare") as caught:
        compare(one, longer)
    assert caught.value.where == "frames: 12 and 48; clips: 64 and 128"
    with pytest.raises(UserError, match="FVD and IS are different"):
        compare(one, measure(features(64, seed=1), reference_of(REAL), 0).metrics["IS"])


def test_too_few_clips_are_refused():
    with pytest.raises(UserError, match="31 clips are too few"):
        measure(features(31, seed=1), reference_of(REAL), seed=0)
    assert protocols.MINIMUM_CLIPS == schema.MINIMUM_CLIPS


def test_fewer_clips_than_dimensions_come_with_a_warning():
    wide = replace(features(40, seed=1), pooled=torch.randn(40, 64))
    real = replace(REAL, pooled=torch.randn(480, 64))
    [warning] = measure(wide, reference_of(real), seed=0).warnings
    assert warning.startswith("FID: 40 measured clips for 64 feature dimensions")
    assert measure(features(64, 1), reference_of(REAL), seed=0).warnings == []
