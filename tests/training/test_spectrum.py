"""The three largest singular values against torch's SVD, and what looking at them leaves alone."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from dvdgan.models import spectral
from dvdgan.training.spectrum import largest_singular_values


def with_weight(layer: nn.Module, weight: Tensor) -> nn.Module:
    """``layer`` with this learned weight."""
    with torch.no_grad():
        layer.parametrizations.weight.original.copy_(weight)  # type: ignore[union-attr]
    return layer


def by_svd(weight: Tensor) -> Tensor:
    return torch.linalg.svdvals(weight.double().reshape(len(weight), -1))


@pytest.fixture
def network() -> nn.Module:
    """Every kind of layer, its weights as after much training: scales differ a hundredfold."""
    layers = nn.ModuleDict(
        {
            "wide": spectral.conv2d(16, 8, 3),
            "deep": spectral.conv3d(4, 12, 3),
            "tall": spectral.linear(5, 40),
            "table": spectral.embedding(30, 7),
            "one_row": spectral.linear(20, 1),
            "one_column": spectral.linear(1, 20),
            "plain": nn.Linear(3, 3),
        }
    )
    for number, layer in enumerate(layers.values()):
        if not isinstance(layer, nn.Linear) or hasattr(layer, "parametrizations"):
            shape = layer.parametrizations.weight.original.shape  # type: ignore[union-attr]
            with_weight(layer, torch.randn(shape) * 10 ** (number / 2 - 1))
    return nn.ModuleDict({"inside": layers})


def test_each_normalised_layer_has_its_three_largest(network: nn.Module) -> None:
    found = largest_singular_values(network)
    layers = network["inside"]  # type: ignore[index]
    assert list(found) == [f"inside.{name}" for name in layers if name != "plain"]
    for name, values in found.items():
        weight = layers[name.removeprefix("inside.")].parametrizations.weight.original
        expected = by_svd(weight)[:3]
        assert len(values) == min(3, *weight.reshape(len(weight), -1).shape)
        assert values == pytest.approx(expected.tolist(), rel=1e-5)
    assert len(largest_singular_values(network, count=1)["inside.wide"]) == 1


def test_a_weight_fresh_from_orthogonal_initialisation_has_ones() -> None:
    found = largest_singular_values(nn.Sequential(spectral.conv2d(64, 32, 3)))
    assert found["0"] == pytest.approx([1.0, 1.0, 1.0], rel=1e-5)


@pytest.mark.parametrize("rank", [1, 2])
def test_a_matrix_of_lower_rank(rank: int) -> None:
    weight = torch.randn(24, rank) @ torch.randn(rank, 50)
    values = largest_singular_values(nn.Sequential(with_weight(spectral.linear(50, 24), weight)))
    exact = by_svd(weight)
    assert values["0"][:rank] == pytest.approx(exact[:rank].tolist(), rel=1e-5)
    assert values["0"] == pytest.approx(exact[:3].tolist(), abs=1e-3 * exact[0].item())


def test_zeros_have_no_singular_values_but_zero() -> None:
    layer = with_weight(spectral.linear(6, 4), torch.zeros(4, 6))
    assert largest_singular_values(nn.Sequential(layer)) == {"0": [0.0, 0.0, 0.0]}


def test_a_weight_that_is_not_finite_has_none_to_tell() -> None:
    layer = with_weight(spectral.linear(6, 4), torch.full((4, 6), float("inf")))
    found = largest_singular_values(nn.ModuleDict({"bad": layer, "good": spectral.linear(6, 4)}))
    assert all(math.isnan(value) for value in found["bad"])
    assert found["good"] == pytest.approx([1, 1, 1], rel=1e-5)


def test_values_close_together_or_far_apart() -> None:
    u, _ = torch.linalg.qr(torch.randn(40, 40, dtype=torch.float64))
    v, _ = torch.linalg.qr(torch.randn(90, 40, dtype=torch.float64))
    for largest in ([5.0, 4.9999, 4.9998], [1000.0, 30.0, 11.0]):
        values = torch.cat([torch.tensor(largest), torch.linspace(4, 0, 37)]).double()
        weight = (u @ torch.diag(values) @ v.T).float()
        found = largest_singular_values(
            nn.Sequential(with_weight(spectral.linear(90, 40), weight))
        )["0"]
        assert found == pytest.approx(largest, abs=1e-5 * largest[0])


def test_looking_changes_nothing_and_gives_the_same_twice(network: nn.Module) -> None:
    before = copy.deepcopy(network.state_dict())
    random = torch.get_rng_state()
    first = largest_singular_values(network.train())
    assert largest_singular_values(network) == first
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_network_without_such_layers_has_none() -> None:
    assert largest_singular_values(nn.Linear(2, 2)) == {}
