"""One update: what overflows in fp16 is left out and the loss scale follows; norms are told."""

import pytest
import torch
from torch import Tensor, nn

from dvdgan.models import spectral
from dvdgan.training.state import loss_scaler
from dvdgan.training.train_step import OptimizerStep, StepMetrics, autocast

CPU = torch.device("cpu")


def descent(network: nn.Module, precision: str = "fp16") -> OptimizerStep:
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    scaler = loss_scaler(precision, CPU)
    return OptimizerStep(network, {"only": network}, (), optimizer, scaler, precision, CPU)


def test_an_overflow_leaves_the_update_out_and_halves_the_scale() -> None:
    network = nn.Linear(2, 1)
    one = descent(network)
    before = network.weight.detach().clone()
    began = one.scaler.get_scale()

    def loss(part: int) -> tuple[Tensor, StepMetrics]:
        # Its gradient, 1 x the scale of 2^16, is beyond fp16's 65504.
        return network(torch.ones(1, 2)).sum(), {}

    figures = one.step(1, loss)
    assert figures["non_finite_gradients"] > 0
    assert not figures["only_gradient_norm"].isfinite()
    assert torch.equal(network.weight, before)
    assert one.scaler.get_scale() == began / 2
    figures = one.step(1, loss)
    assert figures["non_finite_gradients"] == 0
    torch.testing.assert_close(network.weight.detach(), before - 0.1, rtol=1e-3, atol=1e-3)


def test_two_networks_have_loss_scales_of_their_own() -> None:
    one, other = descent(nn.Linear(1, 1)), descent(nn.Linear(1, 1))
    other.step(1, lambda part: (other.network(torch.ones(1, 1)).float().sum() / 2**10, {}))
    one.step(1, lambda part: (one.network(torch.ones(1, 1)).sum(), {}))
    assert one.scaler.get_scale() == other.scaler.get_scale() / 2


def test_norms_and_figures_are_those_of_the_whole_batch() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.ones_(network.weight)
    x = torch.tensor([[3.0], [5.0]])

    def loss(part: int) -> tuple[Tensor, StepMetrics]:
        y = network(x[part : part + 1]).square().mean()
        return y, {"loss": y.detach()}

    figures = descent(network, "fp32").step(2, loss)
    assert figures["loss"].item() == pytest.approx((9 + 25) / 2)
    assert figures["only_gradient_norm"].item() == pytest.approx(9 + 25)
    assert network.weight.item() == pytest.approx(1 - 0.1 * (9 + 25))


def test_one_power_iteration_an_update_whatever_the_parts() -> None:
    torch.manual_seed(0)
    layer = spectral.linear(6, 5)
    vectors = []

    def loss(part: int) -> tuple[Tensor, StepMetrics]:
        y = layer(torch.ones(1, 6)).sum()
        vectors.append(layer.parametrizations.weight[0]._u.clone())
        return y, {}

    before = layer.parametrizations.weight[0]._u.clone()
    descent(layer, "fp32").step(3, loss)
    assert not torch.equal(vectors[0], before)
    assert torch.equal(vectors[0], vectors[1]) and torch.equal(vectors[0], vectors[2])
    assert layer.parametrizations.weight[0].training


def test_autocast_runs_products_in_the_precision_and_weights_are_divided_in_fp32() -> None:
    layer = spectral.linear(6, 5)
    layer.eval()
    exact = layer.weight.clone()
    with autocast("bf16", CPU):
        assert layer(torch.ones(1, 6)).dtype == torch.bfloat16
        assert layer.weight.dtype == torch.float32
        assert torch.equal(layer.weight, exact)
    with autocast("fp32", CPU):
        assert layer(torch.ones(1, 6)).dtype == torch.float32
