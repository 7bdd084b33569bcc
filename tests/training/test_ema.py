"""The average of G's weights against a loop over numbers (paper A.3)."""

import numpy as np
import torch
from torch import nn

from dvdgan.training.ema import decay_at, update_average


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3, affine=False))


def test_the_average_is_the_weighted_sum_of_all_weights_so_far() -> None:
    average, moving = network(), network()
    history = []
    for step in range(1, 8):
        nn.init.normal_(moving[0].weight)
        history.append(moving[0].weight.detach().double().numpy().copy())
        update_average(average, moving, decay_at(step, decay=0.8, start=3))
    # Up to step 3 it equals the weights; from then on they fade by 0.8 a step.
    shares = [0.8**4, *(0.2 * 0.8 ** (7 - step) for step in range(4, 8))]
    expected = sum(share * weights for share, weights in zip(shares, history[2:], strict=True))
    assert np.isclose(sum(shares), 1)
    np.testing.assert_allclose(average[0].weight.detach().numpy(), expected, atol=1e-6)


def test_when_the_average_begins() -> None:
    assert [decay_at(step, 0.99, start=20) for step in (1, 19, 20, 21)] == [0, 0, 0, 0.99]
    assert decay_at(1, 0.99, start=0) == 0.99


def test_buffers_are_those_of_the_network() -> None:
    average, moving = network(), network().train()
    moving(torch.randn(8, 2) + 5)
    update_average(average, moving, decay=0.9)
    assert torch.equal(average[1].running_mean, moving[1].running_mean)
    assert average[1].running_mean.abs().max() > 0
