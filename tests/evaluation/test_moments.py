"""Moments against numpy.cov, for any batching, and for means far from zero."""

import numpy as np
import pytest
import torch

from dvdgan.errors import UserError
from dvdgan.evaluation.moments import Moments, load_moments, save_moments


def streamed(features, batch):
    parts = [Moments.of(part) for part in features.split(batch)]
    total = parts[0]
    for part in parts[1:]:
        total = total.merge(part)
    return total


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("batch", [1, 3, 16, 200])
def test_any_batching_gives_numpys_mean_and_covariance(batch, offset):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(101, 5, generator=generator, dtype=torch.float64) + offset
    moments = streamed(features, batch)
    expected = np.cov(features.numpy().T)
    assert moments.count == 101
    np.testing.assert_allclose(moments.mean, features.numpy().mean(0), rtol=1e-12, atol=1e-12)
    # Entries far below the variances have no digits of their own: one scale for all.
    np.testing.assert_allclose(moments.covariance, expected, rtol=0, atol=1e-12 * expected.max())


def test_float32_features_with_a_large_mean_keep_their_covariance():
    """In float32 E[xx] - mm is negative here."""
    features = torch.randn(500, 3, generator=torch.Generator().manual_seed(1)) + 1e4
    expected = np.cov(features.double().numpy().T)
    np.testing.assert_allclose(streamed(features, 16).covariance, expected, rtol=1e-9, atol=1e-9)


def test_saved_moments_come_back_equal_and_as_equal_bytes(tmp_path):
    moments = {"pooled": Moments.of(torch.rand(9, 4)), "logits": Moments.of(torch.rand(9, 2))}
    for name in ("a", "b"):
        save_moments(tmp_path / name, moments)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    loaded = load_moments(tmp_path / "a")
    assert loaded.keys() == moments.keys()
    for name, each in moments.items():
        assert loaded[name].count == 9
        assert torch.equal(loaded[name].mean, each.mean)
        assert torch.equal(loaded[name].covariance, each.covariance)


def test_one_vector_has_no_covariance():
    with pytest.raises(UserError, match="no covariance"):
        _ = Moments.of(torch.zeros(1, 2)).covariance


def test_missing_statistics_say_which_command_makes_them(tmp_path):
    with pytest.raises(UserError, match="no real statistics") as caught:
        load_moments(tmp_path / "train.safetensors")
    assert "dvdgan reference" in caught.value.todo
