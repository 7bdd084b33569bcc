"""What D_S and D_T can and cannot see, and their heads (paper 3.1, A.2, A.4)."""

from typing import get_args

import numpy as np
import pytest
import torch
from plain_numpy import array
from torch import Tensor, nn

from dvdgan.models.architecture import Blocks, DiscriminatorArchitecture, Kinds, Phi
from dvdgan.models.discriminators import (
    Discriminators,
    ProjectionHead,
    SpatialDiscriminator,
    TemporalDiscriminator,
)
from dvdgan.models.views import Views, draw_views


@pytest.fixture
def spatial() -> SpatialDiscriminator:
    return SpatialDiscriminator(classes=3, resolution=32, channels=1).eval()


@pytest.fixture
def temporal() -> TemporalDiscriminator:
    return TemporalDiscriminator(classes=3, resolution=32, channels=1).eval()


LABELS = torch.tensor([2, 0])
FRAMES = torch.tensor([[1, 3], [0, 2]])


def clips(frames: int, size: int = 32) -> Tensor:
    return torch.rand(2, frames, 3, size, size) * 2 - 1


def views() -> Views:
    return Views(FRAMES, torch.rand(2, 2))


def both(**choices: object) -> Discriminators:
    return Discriminators(DiscriminatorArchitecture(3, 32, 1, **choices))


@pytest.mark.parametrize("classes", [3, 0])
def test_the_head_is_a_linear_map_and_a_projection(classes: int) -> None:
    head = ProjectionHead(channels=5, classes=classes).eval()
    nn.init.normal_(head.linear.bias)
    h, labels = torch.randn(4, 5), torch.tensor([2, 0, 1, 2])
    weight = array(head.linear.weight)[0]
    table = array(head.embedding.weight) if classes else np.zeros((3, 5))
    expected = [
        weight @ row + array(head.linear.bias)[0] + table[label] @ row
        for row, label in zip(array(h), labels.tolist(), strict=True)
    ]
    np.testing.assert_allclose(array(head(h, labels)), expected, atol=1e-5)


def test_without_classes_there_is_no_embedding_and_labels_move_nothing() -> None:
    network = Discriminators(DiscriminatorArchitecture(0, 32, 1)).eval()
    assert not [module for module in network.modules() if isinstance(module, nn.Embedding)]
    video, seen = clips(4), views()
    before, after = (network(video, labels, seen) for labels in (LABELS, LABELS + 7))
    assert torch.equal(before.spatial, after.spatial)
    assert torch.equal(before.temporal, after.temporal)


def test_the_spatial_score_is_the_sum_over_single_frames(spatial: SpatialDiscriminator) -> None:
    frames = clips(5)
    alone = sum(spatial(frames[:, [number]], LABELS) for number in range(5))
    torch.testing.assert_close(spatial(frames, LABELS), alone)
    mixed = frames[:, [3, 0, 4, 1, 2]]
    torch.testing.assert_close(spatial(mixed, LABELS), spatial(frames, LABELS))


def test_the_temporal_score_depends_on_the_order(temporal: TemporalDiscriminator) -> None:
    video = clips(6, 16)
    for order in ([5, 4, 3, 2, 1, 0], [0, 2, 1, 3, 4, 5]):
        assert (temporal(video, LABELS) - temporal(video[:, order], LABELS)).abs().min() > 1e-4


@pytest.mark.parametrize("blocks", get_args(Blocks))
@pytest.mark.parametrize("frames", [2, 5, 6, 7])
def test_the_temporal_score_sees_every_frame(frames: int, blocks: Blocks) -> None:
    temporal = TemporalDiscriminator(classes=3, resolution=32, channels=1, blocks=blocks).eval()
    video = clips(frames, 16).requires_grad_()
    temporal(video, LABELS).sum().backward()
    assert video.grad is not None
    assert video.grad.abs().amax(dim=(0, 2, 3, 4)).min() > 1e-6


@pytest.mark.parametrize("kind", ["spatial", "temporal"])
def test_labels_belong_to_their_clips(kind: str, request: pytest.FixtureRequest) -> None:
    """Labels repeated time-major over batch-major frames would judge others' frames, too."""
    network, video = request.getfixturevalue(kind), clips(3)
    before, after = network(video, LABELS), network(video, torch.tensor([2, 1]))
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_a_clip_is_judged_by_itself() -> None:
    network, video, seen = both().eval(), clips(4), views()
    moved = video.clone()
    moved[1] = clips(4)[1]
    before, after = network(video, LABELS, seen), network(moved, LABELS, seen)
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one[0], other[0])
        assert (one[1] - other[1]).abs() > 1e-4


def pooled(video: Tensor, size: int) -> Tensor:
    shape = (*video.shape[:3], 32 // size, size, 32 // size, size)
    return video.view(shape).mean(dim=(4, 6))


@pytest.mark.parametrize("phi", get_args(Phi))
def test_each_discriminator_gets_its_view(phi: Phi) -> None:
    network, video = both(phi=phi).eval(), clips(4)
    seen = Views(FRAMES, torch.tensor([[0.0, 0.5], [0.99, 0.25]]))
    scores = network(video, LABELS, seen)
    chosen = torch.stack([video[0, [1, 3]], video[1, [0, 2]]])
    torch.testing.assert_close(scores.spatial, network.spatial(chosen, LABELS))
    # The corners of 17 places each way: 0 and 8, 16 and 4.
    cropped = torch.stack([video[0, ..., 0:16, 8:24], video[1, ..., 16:32, 4:20]])
    small = {
        "average_pool_2x2": pooled(video, 2),
        "average_pool_4x4": pooled(video, 4),
        "identity": video,
        "random_half_crop": cropped,
    }[phi]
    torch.testing.assert_close(scores.temporal, network.temporal(small, LABELS))


@pytest.mark.parametrize("kinds", get_args(Kinds))
def test_one_discriminator_can_be_left_out(kinds: Kinds) -> None:
    scores = both(kinds=kinds)(clips(4), LABELS, views())
    names = ["spatial", "temporal"] if kinds == "dual" else [kinds]
    assert list(scores.given()) == names
    assert all(logits.shape == (2,) for logits in scores.given().values())


@pytest.mark.parametrize("blocks", get_args(Blocks))
@pytest.mark.parametrize("phi", get_args(Phi))
def test_gradients_reach_every_weight_and_the_video(blocks: Blocks, phi: Phi) -> None:
    # A bottleneck is a quarter as wide: of one channel alone, relu may leave nothing.
    channels = 8 if blocks == "biggan_deep" else 1
    network = Discriminators(DiscriminatorArchitecture(3, 32, channels, "dual", phi, blocks))
    video = clips(5).requires_grad_()
    scores = network.train()(video, LABELS, draw_views(2, 5, 2, torch.Generator()))
    (scores.spatial.square().sum() + scores.temporal.square().sum()).backward()
    idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle
    assert video.grad.abs().amax(dim=(2, 3, 4)).min() > 0
