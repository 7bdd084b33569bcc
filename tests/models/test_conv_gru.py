"""The recurrence against its five equations, written out in numpy (paper A.2)."""

import numpy as np
import torch
from plain_numpy import Array, array, convolve, sigmoid

from dvdgan.models.conv_gru import MultiplicativeConvGRU


def written_out(gru: MultiplicativeConvGRU, x: Array, frames: int) -> Array:
    """h_1 .. h_T (T, C, H, W) for one x (C, H, W)."""
    layers = (gru.gate_hidden, gru.gate_input, gru.reset, gru.update, gru.candidate)
    w_gh, w_gx, w_r, w_u, w_c = (array(layer.weight) for layer in layers)
    b_gh, b_gx, b_r, b_u, b_c = (array(layer.bias) for layer in layers)
    h, states = np.zeros_like(x), []
    for _ in range(frames):
        g = convolve(h, w_gh, b_gh) * convolve(x, w_gx, b_gx)
        r = sigmoid(convolve(np.concatenate([g, x]), w_r, b_r))
        u = sigmoid(convolve(np.concatenate([g, x]), w_u, b_u))
        c = np.maximum(convolve(np.concatenate([x, r * g]), w_c, b_c), 0)
        h = u * g + (1 - u) * c
        states.append(h)
    return np.stack(states)


def test_it_is_the_equations() -> None:
    gru = MultiplicativeConvGRU(channels=3, frames=5)
    for parameter in gru.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    gru(torch.randn(1, 3, 4, 4))  # one power iteration on the new weights
    gru.eval()
    x = torch.randn(2, 3, 4, 5)
    states = gru(x)
    assert states.shape == (2, 5, 3, 4, 5)
    for clip, got in zip(x, states, strict=True):
        np.testing.assert_allclose(array(got), written_out(gru, array(clip), 5), atol=2e-5)


def test_all_steps_share_one_weight_in_training_too() -> None:
    """The states of a training forward are those of the weights it leaves behind."""
    gru = MultiplicativeConvGRU(channels=3, frames=5).train()
    for parameter in gru.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(1, 3, 4, 4)
    states = gru(x)
    gru.eval()  # from here on a weight is read without another power iteration
    np.testing.assert_allclose(array(states[0]), written_out(gru, array(x[0]), 5), rtol=1e-3)


def test_the_state_keeps_moving_from_the_start() -> None:
    """With h_0 = 0 and b_gh = 0 nothing would pass g; nor may the state settle at once."""
    gru = MultiplicativeConvGRU(channels=8, frames=12).eval()
    assert gru.gate_hidden.bias.abs().min() > 0
    states = gru(torch.randn(4, 8, 4, 4))
    sizes = states.flatten(2).norm(dim=2)
    changes = states.diff(dim=1).flatten(2).norm(dim=2)
    assert (changes / sizes[:, 1:]).min() > 0.01
