"""Spectral norm and orthogonal initialisation on every weight layer of G and D (paper A.3)."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
import torch
from plain_numpy import Array, array, normalised_layers
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from dvdgan.models.architecture import Blocks, DiscriminatorArchitecture, GeneratorArchitecture
from dvdgan.models.discriminators import Discriminators
from dvdgan.models.generator import Generator
from dvdgan.models.spectral import bake, converge, linear, normalised
from dvdgan.models.views import draw_views

EPSILON = 1e-6  # BigGAN's

Forward: TypeAlias = Callable[[], object]
Make: TypeAlias = Callable[[], tuple[nn.Module, Forward]]


def generator(**choices: object) -> tuple[nn.Module, Forward]:
    sizes = {"frames": 4, "channels": 1, "latent_dim": 8, "class_dim": 8}
    network = Generator(GeneratorArchitecture(3, 32, **(sizes | choices)))
    return network, lambda: network(torch.randn(2, 8), torch.tensor([0, 2]))


def plain_generator() -> tuple[nn.Module, Forward]:
    return generator(recurrence="conv_gru", recurrent_channels=6)


def deep_generator() -> tuple[nn.Module, Forward]:
    return generator(blocks="biggan_deep", output_norm="group")


def predictor() -> tuple[nn.Module, Forward]:
    sizes = {"frames": 4, "channels": 1, "latent_dim": 8}
    network = Generator(
        GeneratorArchitecture(0, 32, **sizes, conditioning_frames=2, encoder_channels=1)
    )
    given = torch.randn(2, 2, 3, 32, 32)
    return network, lambda: network(torch.randn(2, 8), torch.tensor([0, 2]), given)


def discriminators(blocks: Blocks = "biggan") -> tuple[nn.Module, Forward]:
    network = Discriminators(DiscriminatorArchitecture(3, 32, 1, blocks=blocks))
    views = draw_views(2, 4, 2, torch.Generator())
    return network, lambda: network(torch.randn(2, 4, 3, 32, 32), torch.tensor([0, 2]), views)


def deep_discriminators() -> tuple[nn.Module, Forward]:
    return discriminators("biggan_deep")


every_network = pytest.mark.parametrize(
    "make",
    [
        generator,
        plain_generator,
        deep_generator,
        predictor,
        discriminators,
        deep_discriminators,
    ],
)


def original(layer: nn.Module) -> Array:
    """The weight as it is trained, as a matrix with an output in each row."""
    weight = array(layer.parametrizations.weight.original)
    return weight.reshape(len(weight), -1)


def randomise(network: nn.Module) -> None:
    """Leave the orthogonal start, where power iteration has nothing to find."""
    for layer in normalised_layers(network).values():
        nn.init.normal_(layer.parametrizations.weight.original)


@every_network
def test_every_weight_layer_is_normalised_but_the_class_embedding(make: Make) -> None:
    network, _ = make()
    kinds = (nn.Conv2d, nn.Conv3d, nn.Linear, nn.Embedding)
    weighted = {name for name, module in network.named_modules() if isinstance(module, kinds)}
    knows_classes = isinstance(network, Generator) and network.architecture.classes > 0
    excluded = {"class_embedding"} if knows_classes else set()
    assert weighted - normalised_layers(network).keys() == excluded
    assert len(weighted) > 10
    # What remains are biases, attention's gammas, the output norm's affine and that embedding.
    rest = {name.rpartition(".")[2] for name, _ in network.named_parameters()}
    assert rest <= {"original", "bias", "gamma", "scale", "shift", "weight"}


@every_network
def test_weights_start_orthogonal(make: Make) -> None:
    network, _ = make()
    matrices = {name: original(layer) for name, layer in normalised_layers(network).items()}
    if (embedding := getattr(network, "class_embedding", None)) is not None:
        matrices["class_embedding"] = array(embedding.weight)
    for name, matrix in matrices.items():
        narrow = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
        product = narrow @ narrow.T
        np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-4, err_msg=name)


@every_network
def test_new_weights_are_divided_by_their_first_singular_value(make: Make) -> None:
    """From the first read on, also where no iteration runs."""
    network, _ = make()
    network.eval()
    for name, layer in normalised_layers(network).items():
        norm, matrix = layer.parametrizations.weight[0], original(layer)
        assert np.linalg.svd(matrix, compute_uv=False)[0] == pytest.approx(1, abs=1e-5), name
        np.testing.assert_allclose(matrix @ array(norm._v), array(norm._u), atol=1e-5, err_msg=name)
        got = array(layer.weight).reshape(matrix.shape)
        np.testing.assert_allclose(got, matrix, atol=1e-5, err_msg=name)


@every_network
def test_one_power_iteration_per_forward(make: Make) -> None:
    """Also for the recurrence, which uses its weights T times, and for every folded frame."""
    network, forward = make()
    randomise(network)
    network.train()
    expected = {}
    for name, layer in normalised_layers(network).items():
        matrix = original(layer)
        u = matrix @ array(layer.parametrizations.weight[0]._v)
        u /= max(np.linalg.norm(u), EPSILON)
        v = matrix.T @ u
        expected[name] = matrix / (u @ matrix @ (v / max(np.linalg.norm(v), EPSILON)))
    forward()
    network.eval()
    for name, layer in normalised_layers(network).items():
        got = array(layer.weight).reshape(expected[name].shape)
        np.testing.assert_allclose(got, expected[name], rtol=1e-3, atol=1e-4, err_msg=name)


@every_network
def test_a_few_forwards_bring_the_first_singular_value_near_one(make: Make) -> None:
    network, forward = make()
    randomise(network)
    network.train()
    with torch.no_grad():
        for _ in range(16):
            forward()
    network.eval()
    for name, layer in normalised_layers(network).items():
        first = np.linalg.svd(array(layer.weight.flatten(1)), compute_uv=False)[0]
        # An estimate is never too large, so what is divided by it never too small.
        assert 1 - 1e-4 < first < 1.25, name


@every_network
def test_after_convergence_it_is_divided_by_its_first_singular_value(make: Make) -> None:
    network, _ = make()
    randomise(network)
    for name, layer in normalised_layers(network).items():
        layer.train()
        with torch.no_grad():
            weight = layer.parametrizations.weight.original
            # Set the first singular value apart, and 30 iterations find it to all digits.
            direction = torch.randn(1, *weight.shape[1:])
            weight += 3 * direction * torch.randn(len(weight), *[1] * (weight.ndim - 1))
            for _ in range(30):
                _ = layer.weight  # in training a read is a power iteration
        layer.eval()
        expected = original(layer) / torch.linalg.svdvals(torch.tensor(original(layer)))[0].item()
        got = array(layer.weight).reshape(expected.shape)
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-6, err_msg=name)


@every_network
def test_eval_leaves_the_vectors_alone(make: Make) -> None:
    network, forward = make()
    randomise(network)
    network.eval()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    forward()
    for name, buffer in network.named_buffers():
        assert torch.equal(buffer, before[name]), name


@pytest.mark.parametrize("make", [generator, predictor])
def test_bake_leaves_plain_layers_that_do_the_same(make: Make) -> None:
    network, forward = make()
    randomise(network)
    forward()
    network.eval()
    torch.manual_seed(5)
    before = forward()
    bake(network)
    torch.manual_seed(5)
    torch.testing.assert_close(forward(), before)
    assert not normalised_layers(network)
    assert not [name for name in network.state_dict() if "parametrizations" in name]


@every_network
def test_converged_layers_have_a_largest_singular_value_of_one(make: Make) -> None:
    network, _ = make()
    randomise(network)
    random = torch.get_rng_state()
    converge(network.eval())
    assert torch.equal(torch.get_rng_state(), random)
    for name, layer in normalised_layers(network).items():
        weight = array(layer.weight)
        largest = np.linalg.norm(weight.reshape(len(weight), -1), 2)
        assert largest == pytest.approx(1, abs=1e-5), name


@pytest.mark.parametrize("size", [20, 600])  # the exact way, and the iterative one
@pytest.mark.parametrize("lowest", [0.3, 0.99])  # of the singular values
def test_convergence_leaves_a_vector_of_another_singular_value(size: int, lowest: float) -> None:
    layer = linear(size, size + 5)
    left, right = torch.eye(size + 5)[:, :size], torch.eye(size)
    values = torch.linspace(lowest, 1, size)
    norm = layer.parametrizations.weight[0]
    with torch.no_grad():
        layer.parametrizations.weight.original.copy_(left * values)
        norm._u.copy_(left[:, 0])
        norm._v.copy_(right[:, 0])
    layer.eval()
    assert layer.weight.max().item() == pytest.approx(1 / lowest)  # divided by the smallest
    converge(layer)
    assert layer.weight.max().item() == pytest.approx(1, abs=1e-4)


def test_a_weight_that_is_not_finite_keeps_its_vectors() -> None:
    layer = linear(4, 3)
    with torch.no_grad():
        layer.parametrizations.weight.original[1, 2] = torch.nan
    before = layer.parametrizations.weight[0]._u.clone()
    converge(layer)
    assert torch.equal(layer.parametrizations.weight[0]._u, before)


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 3, 3), (2, 4, 3, 3, 3)])
def test_the_weight_and_its_derivative_are_those_of_torch_s_spectral_norm(
    shape: tuple[int, ...],
) -> None:
    def layer() -> nn.Module:
        kind = {2: nn.Linear, 4: nn.Conv2d, 5: nn.Conv3d}[len(shape)]
        return kind(shape[1], shape[0], *shape[2:3], bias=False).double()

    ours, theirs = normalised(layer()), spectral_norm(layer(), eps=EPSILON)
    with torch.no_grad():
        ours.parametrizations.weight.original.mul_(3).add_(torch.randn(shape))
    theirs.load_state_dict(ours.state_dict())
    weights = torch.randn(shape, dtype=torch.float64)
    for training in (True, True, False):
        found = []
        for each in (ours.train(training), theirs.train(training)):
            each.zero_grad()
            weight = each.weight
            (weight * weights).sum().backward()
            parts = each.parametrizations.weight
            found.append((weight, parts.original.grad, parts[0]._u, parts[0]._v))
        for one, other in zip(*found, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
