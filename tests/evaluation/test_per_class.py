"""Scores of classes against plain loops over their clips."""

import itertools
import math

import pytest
import torch

from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.per_class import class_accuracy, class_frechet_distance, diversity


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_accuracy_is_each_classs_own():
    logits = 9.0 * torch.nn.functional.one_hot(torch.tensor([0, 0, 2, 2, 2, 2]), 4)
    found = class_accuracy(logits, torch.tensor([0, 1, 2, 2, 2, 0]))
    assert {label: each.value for label, each in found.items()} == {0: 0.5, 1: 0, 2: 1}
    assert found[2].low < 0.5


def test_distances_are_of_classes_with_enough_clips_in_both_sets():
    generated, real = normal(100, 3), normal(120, 3, seed=1)
    labels = torch.tensor([0] * 40 + [1] * 40 + [2] * 20)
    real_labels = torch.tensor([0] * 50 + [1] * 20 + [2] * 50)
    found = class_frechet_distance(generated, labels, real, real_labels, minimum=40)
    assert found == {0: frechet_distance(Moments.of(generated[:40]), Moments.of(real[:50]))}
    assert set(class_frechet_distance(generated, labels, real, real_labels, minimum=20)) == {
        0,
        1,
        2,
    }


def test_diversity_is_the_mean_over_pairs():
    features = normal(23, 4) + 5
    labels = torch.arange(23) % 3 * 7
    within, across = {0: [], 7: [], 14: []}, []
    for i, j in itertools.combinations(range(23), 2):
        distance = math.dist(features[i].tolist(), features[j].tolist())
        same = labels[i] == labels[j]
        (within[int(labels[i])] if same else across).append(distance)
    found = diversity(features, labels)
    expected = {label: sum(each) / len(each) for label, each in within.items()}
    assert found.within == pytest.approx(expected, rel=1e-9)
    assert found.across == pytest.approx(sum(across) / len(across), rel=1e-9)


def test_a_collapsed_class_has_no_diversity():
    features = torch.cat([normal(1, 4).repeat(10, 1), normal(10, 4, seed=1), normal(1, 4, seed=2)])
    found = diversity(features, torch.tensor([0] * 10 + [1] * 10 + [2]))
    assert found.within[0] == 0
    assert found.within[1] > 1
    assert 2 not in found.within


def test_one_class_has_nothing_across():
    assert diversity(normal(5, 2), torch.zeros(5, dtype=torch.int64)).across is None
