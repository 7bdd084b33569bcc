"""Nearest training clips against numpy and scipy; the copying test against made-up generators."""

import numpy as np
import pytest
import torch
from scipy.spatial import KDTree
from scipy.stats import mannwhitneyu

from dvdgan.errors import UserError
from dvdgan.evaluation import distances
from dvdgan.evaluation.neighbours import copying, nearest


def normal(count, dimensions, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dimensions, generator=generator)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_neighbours_are_those_of_a_search_tree(offset, monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", 20_000)  # 13 blocks
    queries = normal(250, 5, 0) + offset
    bank = normal(1000, 5, 1) + offset
    found = nearest(queries, bank, 4)
    expected, places = KDTree(bank.double().numpy()).query(queries.double().numpy(), 4)
    assert (found.places.numpy() == places).all()
    assert np.allclose(found.distances.numpy(), expected, rtol=1e-12, atol=0)


def test_a_copy_is_at_distance_0_however_large_features_are():
    bank = normal(100, 64, 0) * 1e6
    found = nearest(bank[[7, 93]], bank, 2)
    assert found.places[:, 0].tolist() == [7, 93]
    assert found.distances[:, 0].tolist() == [0, 0]
    assert (found.distances[:, 1] > 0).all()


def test_equal_distances_come_in_the_order_of_the_bank():
    bank = torch.tensor([[9.0], [2.0], [0.0], [1.0], [1.0]])
    assert nearest(torch.tensor([[1.0]]), bank, 4).places.tolist() == [[3, 4, 1, 2]]


def test_a_bank_too_small_is_refused():
    with pytest.raises(ValueError, match="3 vectors have no 4 nearest"):
        nearest(normal(2, 3, 0), normal(3, 3, 1), 4)


def test_the_rank_test_is_scipys():
    samples, real = normal(60, 1, 0)[:, 0].exp() * 0.8, normal(45, 1, 1)[:, 0].exp()
    found = copying(samples, real)
    theirs = mannwhitneyu(samples.numpy(), real.numpy(), method="asymptotic", use_continuity=False)
    z = (theirs.statistic - 60 * 45 / 2) / np.sqrt(60 * 45 * 106 / 12)
    assert found.z == pytest.approx(z, rel=1e-12)
    pairs = samples[:, None] < real[None]
    assert found.nearer == pytest.approx(pairs.double().mean().item(), rel=1e-12)
    bound = np.quantile(real.double().numpy(), 0.05)
    assert found.near_share == pytest.approx((samples.double().numpy() < bound).mean())


def test_equal_distances_count_half():
    same = torch.tensor([1.0, 2.0, 2.0, 3.0])
    found = copying(same, same)
    assert (found.nearer, found.z) == (0.5, 0)


TRAIN, TEST = normal(400, 16, 0), normal(200, 16, 1)


def against_training(generated):
    to_training = [nearest(each, TRAIN).distances[:, 0] for each in (generated, TEST)]
    return copying(*to_training)


def test_a_generator_as_good_as_reality_is_not_accused():
    found = against_training(normal(300, 16, 2))
    assert not found.memorising
    assert abs(found.z) < 3
    assert found.near_share < 0.12


def test_a_generator_that_repeats_its_training_clips_is_found():
    copies = TRAIN[torch.arange(300) % 400] + 0.3 * normal(300, 16, 3)
    found = against_training(copies)
    assert found.memorising
    assert found.nearer > 0.99
    assert found.near_share > 0.95


def test_a_sure_but_small_difference_is_no_copying():
    found = copying(normal(20_000, 1, 6)[:, 0] - 0.2, normal(20_000, 1, 7)[:, 0])
    assert found.z < -10
    assert not found.memorising


def test_a_bad_generator_is_far_away_and_no_copier():
    found = against_training(3 * normal(300, 16, 4))
    assert not found.memorising
    assert found.z > 10


def test_a_few_copies_among_many_samples_show_in_the_near_share_alone():
    mixed = normal(300, 16, 5)
    mixed[:60] = TRAIN[:60]
    mixed[60:] *= 1.3
    found = against_training(mixed)
    assert not found.memorising
    assert found.near_share >= 0.2


def test_nothing_to_compare_is_refused():
    with pytest.raises(UserError, match="cannot be measured"):
        copying(torch.ones(3), torch.ones(0))
