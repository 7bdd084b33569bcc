"""Attention against loops over positions (paper 3.2; BigGAN's in D), with no weight matrix kept."""

import numpy as np
import pytest
import torch
from plain_numpy import Array, array, softmax
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from dvdgan.models.attention import (
    HEIGHT,
    TIME,
    WIDTH,
    SelfAttention,
    SeparableSelfAttention,
    attend,
)
from dvdgan.models.discriminators import SpatialDiscriminator
from dvdgan.models.meta import without_memory
from dvdgan.models.tower import FrameAttention


def matrices(layer: SelfAttention) -> list[Array]:
    """Of query, key, value and output."""
    weights = (layer.query, layer.key, layer.value, layer.output)
    return [array(each.weight)[:, :, 0, 0] for each in weights]


def attended(layer: SelfAttention, x: Array, axis: int | None) -> Array:
    """One clip (T, C, H, W), each position alone: softmax(q . k) v over its neighbours."""
    w_q, w_k, w_v, w_o = matrices(layer)
    frames, _, height, width = x.shape
    result = np.empty_like(x)
    for t, i, j in np.ndindex(frames, height, width):
        neighbours = {
            None: x.transpose(0, 2, 3, 1).reshape(-1, x.shape[1]),
            TIME: x[:, :, i, j],
            HEIGHT: x[t, :, :, j].T,
            WIDTH: x[t, :, i, :].T,
        }[axis]
        here = x[t, :, i, j]
        shares = softmax(np.array([(w_q @ here) @ (w_k @ other) for other in neighbours]))
        mixed = sum(share * (w_v @ other) for share, other in zip(shares, neighbours, strict=True))
        result[t, :, i, j] = here + array(layer.gamma) * (w_o @ mixed)
    return result


def opened(layer: SelfAttention, gamma: float) -> SelfAttention:
    torch.nn.init.constant_(layer.gamma, gamma)
    return layer.eval()


@pytest.mark.parametrize("axis", [None, TIME, HEIGHT, WIDTH])
def test_each_position_attends_to_its_own_neighbours(axis: int | None) -> None:
    layer = opened(SelfAttention(16, axis), 0.7)
    x = 2 * torch.randn(2, 3, 16, 4, 5)
    for clip, got in zip(x, layer(x), strict=True):
        np.testing.assert_allclose(array(got), attended(layer, array(clip), axis), atol=1e-4)


def test_separable_is_height_then_width_then_time() -> None:
    block = SeparableSelfAttention(8)
    for number, layer in enumerate(block):
        opened(layer, 0.5 + number)
    x = 2 * torch.randn(1, 3, 8, 4, 5)
    expected = array(x[0])
    for layer, axis in zip(block, (HEIGHT, WIDTH, TIME), strict=True):
        expected = attended(layer, expected, axis)
    np.testing.assert_allclose(array(block(x)[0]), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("axis", "shape"), [(TIME, (6, 8, 1, 1)), (HEIGHT, (1, 8, 6, 1)), (WIDTH, (1, 8, 1, 6))]
)
def test_along_the_only_axis_it_is_joint_attention(axis: int, shape: tuple[int, ...]) -> None:
    alone, joint = SelfAttention(8, axis), SelfAttention(8)
    joint.load_state_dict(alone.state_dict())
    x = torch.randn(2, *shape)
    torch.testing.assert_close(opened(alone, 1.0)(x), opened(joint, 1.0)(x))


@pytest.mark.parametrize("axis", [TIME, HEIGHT, WIDTH])
def test_a_pixel_moves_its_own_line_alone(axis: int) -> None:
    """A view that mixed channels with an axis, or two axes, would move others."""
    layer = opened(SelfAttention(8, axis), 1.0)
    x = torch.randn(1, 4, 8, 4, 4)
    moved = x.clone()
    moved[0, 1, :, 2, 3] += 1
    change = (layer(moved) - layer(x)).abs().amax(dim=2)[0]  # (T, H, W)
    line = torch.zeros(4, 4, 4, dtype=torch.bool)
    line[{TIME: (slice(None), 2, 3), HEIGHT: (1, slice(None), 3), WIDTH: (1, 2)}[axis]] = True
    assert (change[line] > 1e-4).all()
    assert (change[~line] == 0).all()


def test_it_starts_as_the_identity() -> None:
    x = torch.randn(1, 2, 8, 4, 4)
    assert torch.equal(SeparableSelfAttention(8)(x), x)
    assert torch.equal(FrameAttention(8)(x[0]), x[0])


def test_d_s_attends_to_the_maxima_of_two_by_two_pixels() -> None:
    layer = opened(FrameAttention(16), 0.7)
    w_q, w_k, w_v, w_o = matrices(layer)
    x = 2 * torch.randn(2, 16, 6, 4)
    for frame, got in zip(array(x), array(layer(x)), strict=True):
        keys, values = [], []
        for i, j in np.ndindex(3, 2):
            cell = frame[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].reshape(16, 4)
            keys.append((w_k @ cell).max(axis=1))
            values.append((w_v @ cell).max(axis=1))
        for i, j in np.ndindex(6, 4):
            here = frame[:, i, j]
            shares = softmax(np.array([(w_q @ here) @ key for key in keys]))
            mixed = sum(share * value for share, value in zip(shares, values, strict=True))
            expected = here + array(layer.gamma) * (w_o @ mixed)
            np.testing.assert_allclose(got[:, i, j], expected, atol=1e-4)


@pytest.mark.parametrize(("resolution", "stages"), [(32, []), (64, []), (128, [0]), (256, [1])])
def test_d_s_attends_where_its_features_are_64_pixels(resolution: int, stages: list[int]) -> None:
    with without_memory():
        network = SpatialDiscriminator(classes=2, resolution=resolution, channels=1)
        features = network.tower(torch.empty(1, 3, resolution, resolution))
    attending = [
        number
        for number, stage in enumerate(network.tower)
        if any(isinstance(module, SelfAttention) for module in stage.modules())
    ]
    assert attending == stages
    for number in stages:
        assert isinstance(network.tower[number][-1], FrameAttention)
        assert features[number].shape[-2:] == (64, 64)


@pytest.mark.parametrize(("narrow", "wide"), [(1, 4), (3, 7), (5, 5)])
def test_queries_narrower_than_values_attend_as_they_are(narrow: int, wide: int) -> None:
    query, key = torch.randn(2, 3, 6, narrow), torch.randn(2, 3, 9, narrow)
    value = torch.randn(2, 3, 9, wide)
    got = array(attend(query, key, value))
    for one, two, row in np.ndindex(2, 3, 6):
        shares = softmax(array(key[one, two]) @ array(query[one, two, row]))
        np.testing.assert_allclose(got[one, two, row], shares @ array(value[one, two]), atol=1e-5)


@pytest.mark.parametrize("clips", [1, 2])
@pytest.mark.parametrize(
    ("axis", "shape"),
    [
        (None, (4, 16, 16)),
        (None, (1, 32, 32)),
        (TIME, (512, 2, 2)),
        (HEIGHT, (2, 512, 2)),
        (WIDTH, (2, 2, 512)),
    ],
)
def test_no_weight_matrix_is_stored(
    axis: int | None, shape: tuple[int, int, int], clips: int
) -> None:
    T, H, W = shape
    x = torch.randn(clips, T, 8, H, W, requires_grad=True)
    kept = kept_for_backward(SelfAttention(8, axis), x)
    weights = clips * T * H * W * (T * H * W if axis is None else 512)
    # Less than one matrix in all that is kept, and no tensor larger than the features.
    assert sum(kept) < weights
    assert max(kept) <= x.numel()


def test_nor_in_d_s() -> None:
    x = torch.randn(2, 8, 32, 32, requires_grad=True)
    kept = kept_for_backward(FrameAttention(8), x)
    assert sum(kept) < 2 * 32**2 * 16**2
    assert max(kept) <= x.numel()


def kept_for_backward(layer: SelfAttention, x: Tensor) -> list[int]:
    """How many numbers each tensor has that a training forward keeps."""
    kept: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        opened(layer, 1.0).train()(x)
    assert kept
    return kept
