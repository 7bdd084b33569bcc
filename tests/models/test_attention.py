"""Attention against loops over positions (paper 3.2)."""

import numpy as np
import pytest
import torch
from plain_numpy import Array, array

from dvdgan.models.attention import HEIGHT, TIME, WIDTH, SelfAttention, SeparableSelfAttention


def attended(layer: SelfAttention, x: Array, axis: int | None) -> Array:
    """One clip (T, C, H, W), each position alone: softmax(q . k) v over its neighbours."""
    weights = (layer.query, layer.key, layer.value, layer.output)
    w_q, w_k, w_v, w_o = (array(each.weight)[:, :, 0, 0] for each in weights)
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
        logits = np.array([(w_q @ here) @ (w_k @ other) for other in neighbours])
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
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


def test_it_starts_as_the_identity() -> None:
    x = torch.randn(1, 2, 8, 4, 4)
    assert torch.equal(SeparableSelfAttention(8)(x), x)
