"""What D_S and D_T can and cannot see (paper 3.1, A.2)."""

import numpy as np
import pytest
import torch
from plain_numpy import array
from torch import nn

from dvdgan.models.discriminators import (
    Discriminators,
    ProjectionHead,
    SpatialDiscriminator,
    TemporalDiscriminator,
)
from dvdgan.models.views import pool_space


@pytest.fixture
def spatial() -> SpatialDiscriminator:
    return SpatialDiscriminator(classes=3, resolution=32, channels=1).eval()


@pytest.fixture
def temporal() -> TemporalDiscriminator:
    return TemporalDiscriminator(classes=3, resolution=32, channels=1).eval()


LABELS = torch.tensor([2, 0])


def test_the_head_is_a_linear_map_and_a_projection() -> None:
    head = ProjectionHead(channels=5, classes=3).eval()
    nn.init.normal_(head.linear.bias)
    h, labels = torch.randn(4, 5), torch.tensor([2, 0, 1, 2])
    weight, table = array(head.linear.weight)[0], array(head.embedding.weight)
    expected = [
        weight @ row + array(head.linear.bias)[0] + table[label] @ row
        for row, label in zip(array(h), labels.tolist(), strict=True)
    ]
    np.testing.assert_allclose(array(head(h, labels)), expected, atol=1e-5)


def test_the_spatial_score_is_the_sum_over_single_frames(spatial: SpatialDiscriminator) -> None:
    frames = torch.rand(2, 5, 3, 32, 32) * 2 - 1
    alone = sum(spatial(frames[:, [number]], LABELS) for number in range(5))
    torch.testing.assert_close(spatial(frames, LABELS), alone)
    mixed = frames[:, [3, 0, 4, 1, 2]]
    torch.testing.assert_close(spatial(mixed, LABELS), spatial(frames, LABELS))


def test_the_temporal_score_depends_on_the_order(temporal: TemporalDiscriminator) -> None:
    video = torch.rand(2, 6, 3, 16, 16) * 2 - 1
    assert (temporal(video, LABELS) - temporal(video.flip(1), LABELS)).abs().min() > 1e-4


@pytest.mark.parametrize("frames", [2, 5, 6, 7])
def test_the_temporal_score_sees_every_frame(temporal: TemporalDiscriminator, frames: int) -> None:
    video = (torch.rand(2, frames, 3, 16, 16) * 2 - 1).requires_grad_()
    temporal(video, LABELS).sum().backward()
    assert video.grad is not None
    assert video.grad.abs().amax(dim=(0, 2, 3, 4)).min() > 1e-6


def test_labels_belong_to_their_clips(spatial: SpatialDiscriminator) -> None:
    frames = torch.rand(2, 3, 3, 32, 32) * 2 - 1
    before, after = spatial(frames, LABELS), spatial(frames, torch.tensor([2, 1]))
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_each_discriminator_gets_its_view() -> None:
    both = Discriminators(classes=3, resolution=32, channels=1).eval()
    video = torch.rand(2, 4, 3, 32, 32) * 2 - 1
    indices = torch.tensor([[1, 3], [0, 2]])
    scores = both(video, LABELS, indices)
    chosen = torch.stack([video[0, [1, 3]], video[1, [0, 2]]])
    torch.testing.assert_close(scores.spatial, both.spatial(chosen, LABELS))
    torch.testing.assert_close(scores.temporal, both.temporal(pool_space(video), LABELS))


def test_gradients_reach_every_weight() -> None:
    both = Discriminators(classes=2, resolution=32, channels=1).train()
    video = torch.rand(2, 5, 3, 32, 32) * 2 - 1
    scores = both(video, torch.tensor([0, 1]), torch.tensor([[1, 3], [0, 2]]))
    (scores.spatial.square().sum() + scores.temporal.square().sum()).backward()
    idle = [n for n, p in both.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert not idle
