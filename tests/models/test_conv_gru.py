"""Both recurrences against their equations, written out in numpy (paper A.2), and when which."""

from typing import TypeAlias

import numpy as np
import pytest
import torch
from plain_numpy import Array, array, sigmoid, through
from torch import nn

from dvdgan.models.architecture import GeneratorArchitecture, Recurrence
from dvdgan.models.conv_gru import ConvGRU, MultiplicativeConvGRU
from dvdgan.models.generator import Generator
from dvdgan.models.meta import without_memory

Kind: TypeAlias = type[ConvGRU]

both = pytest.mark.parametrize("kind", [ConvGRU, MultiplicativeConvGRU])


def written_out(gru: ConvGRU, x: Array, frames: int, first: Array | None = None) -> Array:
    """h_1 .. h_T (T, C, H, W) for one x (C, H, W) and h_0 (zeros where None)."""
    h = np.zeros_like(x) if first is None else first
    states = []
    for _ in range(frames):
        g = h
        if isinstance(gru, MultiplicativeConvGRU):
            g = through(gru.gate_hidden, h) * through(gru.gate_input, x)
        r = sigmoid(through(gru.reset, np.concatenate([g, x])))
        u = sigmoid(through(gru.update, np.concatenate([g, x])))
        c = np.maximum(through(gru.candidate, np.concatenate([x, r * g])), 0)
        h = u * g + (1 - u) * c
        states.append(h)
    return np.stack(states)


def randomised(gru: ConvGRU) -> ConvGRU:
    for parameter in gru.parameters():
        nn.init.normal_(parameter, std=0.7)
    return gru


@both
@pytest.mark.parametrize("given", [False, True], ids=["from zero", "from a given state"])
def test_it_is_the_equations(kind: Kind, given: bool) -> None:
    gru = randomised(kind(channels=3, frames=5))
    gru(torch.randn(1, 3, 4, 4))  # one power iteration on the new weights
    gru.eval()
    x = torch.randn(2, 3, 4, 5)
    first = torch.randn(2, 3, 4, 5) if given else None
    states = gru(x, first)
    assert states.shape == (2, 5, 3, 4, 5)
    for clip in range(2):
        expected = written_out(gru, array(x[clip]), 5, array(first[clip]) if given else None)
        np.testing.assert_allclose(array(states[clip]), expected, atol=2e-5)


@both
def test_all_steps_share_one_weight_in_training_too(kind: Kind) -> None:
    """The states of a training forward are those of the weights it leaves behind."""
    gru = randomised(kind(channels=3, frames=5)).train()
    x = torch.randn(1, 3, 4, 4)
    states = gru(x)
    gru.eval()  # from here on a weight is read without another power iteration
    np.testing.assert_allclose(array(states[0]), written_out(gru, array(x[0]), 5), rtol=1e-3)


def test_the_candidate_has_a_relu_and_no_tanh() -> None:
    """From h_0 = 0 the plain recurrence mixes candidates alone: none negative, some above 1."""
    states = ConvGRU(channels=6, frames=8).eval()(20 * torch.randn(2, 6, 4, 4))
    assert states.min() == 0
    assert states.max() > 5


@pytest.mark.parametrize("frames", [5, 12, 16, 47])
def test_the_multiplicative_state_keeps_moving_from_the_start(frames: int) -> None:
    """With h_0 = 0 and b_gh = 0 nothing would pass g; nor may the state settle at once."""
    gru = MultiplicativeConvGRU(channels=8, frames=frames).eval()
    assert gru.gate_hidden.bias.abs().min() > 0
    assert slowest_change(gru(torch.randn(4, 8, 4, 4))[:, :12]) > 0.01


def test_the_plain_state_keeps_moving_to_the_last_of_48_frames() -> None:
    gru = ConvGRU(channels=8, frames=48).eval()
    assert slowest_change(gru(torch.randn(4, 8, 4, 4))) > 1e-3


def slowest_change(states: torch.Tensor) -> float:
    """The smallest step from one state to the next, as a share of the state."""
    sizes = states.flatten(2).norm(dim=2)
    changes = states.diff(dim=1).flatten(2).norm(dim=2)
    return (changes / sizes[:, 1:]).min().item()


@pytest.mark.parametrize(
    ("recurrence", "frames", "given", "kind"),
    [
        ("by_length", 16, 0, MultiplicativeConvGRU),
        ("by_length", 47, 0, MultiplicativeConvGRU),
        ("by_length", 48, 0, ConvGRU),
        ("by_length", 64, 0, ConvGRU),
        ("by_length", 48, 5, ConvGRU),
        ("conv_gru", 12, 0, ConvGRU),
        ("multiplicative_conv_gru", 48, 0, MultiplicativeConvGRU),
    ],
)
def test_48_frames_take_the_plain_recurrence_unless_named(
    recurrence: Recurrence, frames: int, given: int, kind: Kind
) -> None:
    with without_memory():
        generator = Generator(
            GeneratorArchitecture(
                classes=2,
                resolution=32,
                frames=frames,
                channels=1,
                recurrence=recurrence,
                conditioning_frames=given,
                encoder_channels=given and 1,
            )
        )
    assert type(generator.recurrence) is kind
    assert generator.recurrence.frames == frames - given
