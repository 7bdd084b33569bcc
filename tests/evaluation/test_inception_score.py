"""The Inception Score against a plain loop, and at its bounds."""

import math

import pytest
import torch

from dvdgan.evaluation.inception_score import inception_score


def by_plain_loop(logits):
    rows = [[math.exp(value) for value in row] for row in logits.tolist()]
    rows = [[value / sum(row) for value in row] for row in rows]
    marginal = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    divergences = [
        sum(p * math.log(p / q) for p, q in zip(row, marginal, strict=True)) for row in rows
    ]
    return math.exp(sum(divergences) / len(rows))


def test_it_is_the_plain_loops():
    logits = torch.randn(37, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    assert inception_score(logits) == pytest.approx(by_plain_loop(logits), rel=1e-12)


def test_sure_and_evenly_spread_answers_score_the_number_of_classes():
    # The probabilities of the other classes are exactly zero in float64.
    assert inception_score(torch.eye(7).repeat(5, 1) * 1e4) == pytest.approx(7, rel=1e-12)


def test_one_answer_for_all_scores_one():
    assert inception_score(torch.randn(1, 5).repeat(20, 1)) == pytest.approx(1, rel=1e-6)


def test_clips_in_class_order_score_as_shuffled_ones():
    logits = torch.eye(4).repeat_interleave(10, 0) * 6
    shuffled = logits[torch.randperm(40, generator=torch.Generator().manual_seed(0))]
    assert inception_score(logits) == pytest.approx(inception_score(shuffled), rel=1e-12)


@pytest.mark.parametrize("confidence", [3, 30])
def test_tgans_rounding_of_probabilities_differs_by_less_than_a_hundred_thousandth(confidence):
    labels = torch.arange(101).repeat(4)
    logits = confidence * torch.nn.functional.one_hot(labels, 101).to(torch.float64)
    p = logits.softmax(1)
    divergence = (p * ((p + 1e-7).log() - (p.mean(0) + 1e-7).log())).sum(1)
    assert inception_score(logits) == pytest.approx(float(divergence.mean().exp()), rel=2e-5)
