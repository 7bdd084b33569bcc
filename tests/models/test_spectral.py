"""Spectral norm and orthogonal initialisation on every weight layer of G and D (paper A.3)."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from plain_numpy import array, normalised_layers
from torch import nn

from dvdgan.models.discriminators import Discriminators
from dvdgan.models.generator import Generator
from dvdgan.models.spectral import EPSILON, bake

Forward = Callable[[], object]


def generator() -> tuple[nn.Module, Forward]:
    network = Generator(3, 32, frames=4, channels=1, latent_dim=8, class_dim=8)
    return network, lambda: network(torch.randn(2, 8), torch.tensor([0, 2]))


def discriminators() -> tuple[nn.Module, Forward]:
    network = Discriminators(3, 32, channels=1)
    indices = torch.tensor([[0, 2], [3, 1]])
    return network, lambda: network(torch.randn(2, 4, 3, 32, 32), torch.tensor([0, 2]), indices)


both = pytest.mark.parametrize("make", [generator, discriminators])


def randomise(network: nn.Module) -> None:
    """Leave the orthogonal start, where power iteration has nothing to find."""
    for layer in normalised_layers(network).values():
        nn.init.normal_(layer.parametrizations.weight.original)


@both
def test_every_weight_layer_is_normalised_but_the_class_embedding(
    make: Callable[[], tuple[nn.Module, Forward]],
) -> None:
    network, _ = make()
    kinds = (nn.Conv2d, nn.Conv3d, nn.Linear, nn.Embedding)
    weighted = {name for name, module in network.named_modules() if isinstance(module, kinds)}
    assert weighted - normalised_layers(network).keys() <= {"class_embedding"}
    assert len(weighted) > 10


@both
def test_weights_start_orthogonal(make: Callable[[], tuple[nn.Module, Forward]]) -> None:
    network, _ = make()
    for name, layer in normalised_layers(network).items():
        matrix = array(layer.parametrizations.weight.original).reshape(layer.weight.shape[0], -1)
        narrow = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
        product = narrow @ narrow.T
        np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-4, err_msg=name)


@both
def test_one_power_iteration_per_forward(make: Callable[[], tuple[nn.Module, Forward]]) -> None:
    """Also for the recurrence, which uses its weights T times, and for every folded frame."""
    network, forward = make()
    randomise(network)
    network.train()
    expected = {}
    for name, layer in normalised_layers(network).items():
        if layer.weight.ndim < 2:
            continue
        matrix = array(layer.parametrizations.weight.original).reshape(layer.weight.shape[0], -1)
        u = matrix @ array(layer.parametrizations.weight[0]._v)
        expected[name] = u / max(np.linalg.norm(u), EPSILON)
    forward()
    for name, layer in normalised_layers(network).items():
        got = array(layer.parametrizations.weight[0]._u)
        np.testing.assert_allclose(got, expected[name], atol=1e-4, err_msg=name)


@both
def test_the_first_singular_value_is_one(make: Callable[[], tuple[nn.Module, Forward]]) -> None:
    network, forward = make()
    randomise(network)
    network.train()
    with torch.no_grad():
        for _ in range(40):
            forward()
    network.eval()
    for name, layer in normalised_layers(network).items():
        first = torch.linalg.svdvals(layer.weight.detach().flatten(1))[0].item()
        assert first == pytest.approx(1, abs=0.05), name


@both
def test_eval_leaves_the_vectors_alone(make: Callable[[], tuple[nn.Module, Forward]]) -> None:
    network, forward = make()
    randomise(network)
    network.eval()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    forward()
    for name, buffer in network.named_buffers():
        assert torch.equal(buffer, before[name]), name


def test_bake_leaves_plain_layers_that_do_the_same() -> None:
    network, forward = generator()
    randomise(network)
    forward()
    network.eval()
    latents, labels = torch.randn(2, 8), torch.tensor([0, 2])
    before = network(latents, labels)
    bake(network)
    torch.testing.assert_close(network(latents, labels), before)
    assert not normalised_layers(network)
    assert not [name for name in network.state_dict() if "parametrizations" in name]
