"""The Inception Score against a plain loop, and at its bounds."""

import math

import numpy as np
import pytest
import torch
from scipy.special import rel_entr

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


def test_a_logit_of_minus_infinity_is_a_probability_of_zero():
    logits = torch.randn(9, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    logits[:5, 2] = -torch.inf
    logits[:, 3] = -torch.inf  # a class that no clip can have
    p = logits.softmax(1).numpy()
    divergence = rel_entr(p, p.mean(0)).sum(1)
    assert inception_score(logits) == pytest.approx(float(np.exp(divergence.mean())), rel=1e-12)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_no_logit_is_refused(wrong):
    logits = torch.zeros(3, 4)
    logits[1, 2] = wrong
    with pytest.raises(ValueError, match="logits must be numbers"):
        inception_score(logits)
    with pytest.raises(ValueError, match="logits must be numbers"):
        inception_score(torch.full((3, 4), -math.inf))
