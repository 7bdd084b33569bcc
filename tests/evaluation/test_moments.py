"""Moments against exact rational arithmetic, for any batching, and for means far from zero."""

import math
from fractions import Fraction
from functools import lru_cache, reduce

import numpy as np
import pytest
import torch

from dvdgan.errors import UserError
from dvdgan.evaluation.moments import Moments, load_moments, save_moments

EPS = 2.0**-52


@lru_cache
def sample(offset):
    """Features (101, 4), their exact mean and covariance."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(101, 4, generator=generator, dtype=torch.float64)
    features = features * torch.tensor([1.0, 1e-2, 3.0, 1.0]) + offset
    return features, *exact_moments(features)


def exact_moments(features):
    """Mean and covariance of a list of rows in rational arithmetic, rounded once at the end."""
    rows = [[Fraction(value) for value in row] for row in features.tolist()]
    count, size = len(rows), len(rows[0])
    mean = [sum(row[i] for row in rows) / count for i in range(size)]
    covariance = [
        [
            sum((row[i] - mean[i]) * (row[j] - mean[j]) for row in rows) / (count - 1)
            for j in range(size)
        ]
        for i in range(size)
    ]
    return (
        torch.tensor([float(value) for value in mean], dtype=torch.float64),
        torch.tensor([[float(value) for value in row] for row in covariance], dtype=torch.float64),
    )


def in_a_chain(parts):
    return reduce(Moments.merge, parts)


def in_reverse(parts):
    return reduce(Moments.merge, reversed(parts))


def in_a_tree(parts):
    while len(parts) > 1:
        pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
        parts = [reduce(Moments.merge, pair) for pair in pairs]
    return parts[0]


@pytest.mark.parametrize("merged", [in_a_chain, in_reverse, in_a_tree])
@pytest.mark.parametrize("offset", [0.0, 1e4, 1e6])
@pytest.mark.parametrize("batch", [1, 2, 3, 7, 16, 100, 101])
def test_any_batching_and_order_keeps_the_stated_rounding(batch, offset, merged):
    features, mean, covariance = sample(offset)
    parts = [Moments.of(part) for part in features.split(batch)]
    moments = merged(list(parts))
    largest, deviation = features.abs().max(), covariance.diagonal().sqrt()
    batches = math.sqrt(len(parts)) + 2
    assert moments.count == 101
    assert (moments.mean - mean).abs().max() <= batches * EPS * largest
    reach = 1 + largest / torch.minimum(deviation[:, None], deviation)
    bound = 4 * batches * EPS * reach * torch.outer(deviation, deviation)
    assert ((moments.covariance - covariance).abs() <= bound).all()


def test_it_is_numpys_covariance():
    features = torch.randn(300, 20, generator=torch.Generator().manual_seed(3))
    found = reduce(Moments.merge, (Moments.of(part) for part in features.split(16))).covariance
    np.testing.assert_allclose(found, np.cov(features.double().numpy().T), rtol=0, atol=1e-13)


def test_float32_features_with_a_large_mean_keep_their_covariance():
    """In float32 E[xx] - mm is negative here."""
    features = torch.randn(500, 3, generator=torch.Generator().manual_seed(1)) + 1e4
    expected = np.cov(features.double().numpy().T)
    found = reduce(Moments.merge, (Moments.of(part) for part in features.split(16))).covariance
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("batch", [1, 3, 12])
def test_no_more_vectors_than_dimensions_are_kept_themselves(batch):
    features = torch.randn(12, 12, generator=torch.Generator().manual_seed(2)).double() + 100
    moments = reduce(Moments.merge, (Moments.of(part) for part in features.split(batch)))
    expected = features - features.mean(0)
    np.testing.assert_allclose(moments.rows, expected, rtol=0, atol=1e-12)
    assert moments.merge(Moments.of(features[:1])).rows is None
    assert Moments.of(features[:, :11]).rows is None


def test_saved_moments_come_back_equal_and_as_equal_bytes(tmp_path):
    moments = {"pooled": Moments.of(torch.rand(9, 14)), "logits": Moments.of(torch.rand(9, 2))}
    for name in ("a", "b"):
        save_moments(tmp_path / name, moments)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    loaded = load_moments(tmp_path / "a")
    assert loaded.keys() == moments.keys()
    for name, each in moments.items():
        assert loaded[name].count == 9
        assert torch.equal(loaded[name].mean, each.mean)
        assert torch.equal(loaded[name].covariance, each.covariance)
    assert torch.equal(loaded["pooled"].rows, moments["pooled"].rows)
    assert loaded["logits"].rows is None


def test_one_vector_has_no_covariance():
    with pytest.raises(UserError, match="no covariance"):
        _ = Moments.of(torch.zeros(1, 2)).covariance


def test_missing_statistics_say_which_command_makes_them(tmp_path):
    with pytest.raises(UserError, match="no real statistics") as caught:
        load_moments(tmp_path / "train.safetensors")
    assert "dvdgan reference" in caught.value.todo
