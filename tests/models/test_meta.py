"""A network without initial weights is, once loaded, the same as any other."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from dvdgan.models.architecture import DiscriminatorArchitecture, GeneratorArchitecture
from dvdgan.models.discriminators import Discriminators
from dvdgan.models.generator import Generator
from dvdgan.models.meta import empty_network
from dvdgan.models.spectral import bake

TINY = GeneratorArchitecture(3, 32, frames=4, channels=1, latent_dim=8, class_dim=8)
PREDICTION = GeneratorArchitecture(
    0, 32, frames=4, channels=1, latent_dim=8, conditioning_frames=2, encoder_channels=1
)
OTHER_LAYERS = GeneratorArchitecture(
    3,
    32,
    frames=4,
    channels=1,
    latent_dim=8,
    class_dim=8,
    recurrence="conv_gru",
    recurrent_channels=6,
    blocks="biggan_deep",
    output_norm="group",
)


def baked() -> Generator:
    network = Generator(TINY)
    bake(network)
    return network


@pytest.mark.parametrize(
    "build",
    [
        lambda: Generator(TINY),
        lambda: Generator(PREDICTION),
        lambda: Generator(OTHER_LAYERS),
        baked,
        lambda: Discriminators(DiscriminatorArchitecture(3, 32, 1)),
        lambda: Discriminators(DiscriminatorArchitecture(3, 32, 1, blocks="biggan_deep")),
    ],
    ids=["generator", "predictor", "other layers", "baked", "discriminators", "biggan_deep"],
)
def test_form_and_behaviour_are_those_of_the_network_built_in_full(
    build: Callable[[], nn.Module],
) -> None:
    full = build()
    random = torch.get_rng_state()
    empty = empty_network(build, "cpu")
    assert torch.equal(torch.get_rng_state(), random)  # orthogonal weights would draw many
    empty.load_state_dict(full.state_dict())
    tensors, expected = (each.state_dict(keep_vars=True) for each in (empty, full))
    assert list(tensors) == list(expected)
    for name, tensor in tensors.items():
        assert torch.equal(tensor, expected[name]), name
        for trait in ("requires_grad", "is_leaf", "dtype"):
            assert getattr(tensor, trait) == getattr(expected[name], trait), name
        assert tensor.stride() == expected[name].stride()
    assert [m.training for m in empty.modules()] == [m.training for m in full.modules()]


def test_the_loaded_generator_makes_the_same_clips() -> None:
    full, empty = Generator(TINY).eval(), empty_network(lambda: Generator(TINY), "cpu").eval()
    empty.load_state_dict(full.state_dict())
    inputs = torch.randn(2, 8), torch.tensor([0, 2])
    assert torch.equal(empty(*inputs), full(*inputs))
