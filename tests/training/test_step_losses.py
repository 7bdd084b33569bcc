"""One D update and one G update: who moves, who is frozen, and by how much (paper 2.2, A.3)."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from tiny_run import CLIP, MODEL, TRAIN
from torch import Tensor, nn

from dvdgan.models.discriminators import Scores
from dvdgan.models.generator import GeneratorInputs
from dvdgan.models.views import Views
from dvdgan.training.state import TrainState, initial_state, loss_scaler
from dvdgan.training.train_step import (
    Loss,
    OptimizerStep,
    StepMetrics,
    discriminator_loss,
    frozen,
    generator_loss,
)

B, T = 3, CLIP.frames


def one_step(
    network: nn.Module, optimizer: torch.optim.Optimizer, loss: Callable[[], Loss]
) -> StepMetrics:
    """Move ``network`` by a loss in one part and fp32."""
    cpu = torch.device("cpu")
    scaler = loss_scaler("fp32", cpu)
    descent = OptimizerStep(network, {"whole": network}, (), optimizer, scaler, "fp32", cpu)
    return descent.step(1, lambda part: loss())


class Linear(nn.Module):
    """Two discriminators whose scores can be worked out by hand; it notes its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor([0.7, -0.4]))
        self.calls: list[tuple[Tensor, Tensor, Views]] = []

    def forward(self, video: Tensor, labels: Tensor, views: Views) -> Scores:
        self.calls.append((video, labels, views))
        x = video.flatten(1).sum(dim=1) + labels
        return Scores(self.weights[0] * x, self.weights[1] * x)


def pair() -> tuple[Tensor, Tensor]:
    return torch.randn(B, T, 3, 2, 2), torch.tensor([0, 1, 2])


def test_one_forward_on_real_and_fake_together() -> None:
    network, real, fake = Linear(), pair(), pair()
    views = Views(torch.arange(2 * B * 2).view(2 * B, 2) % T, torch.rand(2 * B, 2))
    rate = 0.01
    before = network.weights.detach().double().numpy().copy()
    optimizer = torch.optim.SGD(network.parameters(), lr=rate)
    figures = one_step(network, optimizer, lambda: discriminator_loss(network, real, fake, views))
    ((video, labels, seen),) = network.calls
    assert torch.equal(video, torch.cat([real[0], fake[0]]))
    assert torch.equal(labels, torch.cat([real[1], fake[1]]))
    assert seen is views

    x, gz = ((c.flatten(1).sum(1) + y).double().numpy() for c, y in (real, fake))
    for number, name in enumerate(("spatial", "temporal")):
        w = before[number]
        loss = np.maximum(0, 1 - w * x).mean() + np.maximum(0, 1 + w * gz).mean()
        slope = np.where(w * x < 1, -x, 0).mean() + np.where(w * gz > -1, gz, 0).mean()
        assert figures[f"{name}_loss"].item() == pytest.approx(loss, rel=1e-4)
        assert figures[f"{name}_real"].item() == pytest.approx((w * x).mean(), rel=1e-4)
        assert figures[f"{name}_fake"].item() == pytest.approx((w * gz).mean(), rel=1e-4)
        moved = network.weights[number].item()
        assert moved == pytest.approx(w - rate * slope, rel=1e-4)


@pytest.fixture
def state() -> TrainState:
    return initial_state(CLIP, MODEL, TRAIN, 3, torch.device("cpu"))


def copies(network: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def moved(network: nn.Module, before: dict[str, Tensor]) -> list[bool]:
    return [not torch.equal(p, before[name]) for name, p in network.named_parameters()]


def test_a_discriminator_update_leaves_the_generator_alone(state: TrainState) -> None:
    generator, discriminators = copies(state.generator), copies(state.discriminators)
    latents, labels = torch.randn(B, MODEL.latent_dim), torch.tensor([0, 1, 2])
    with torch.no_grad():
        fake = (state.generator(latents, labels), labels)
    real = (torch.rand(B, T, 3, 32, 32) * 2 - 1, labels)
    views = Views(torch.tensor([[0, 2]] * 2 * B), torch.rand(2 * B, 2))
    one_step(
        state.discriminators,
        state.discriminator_optimizer,
        lambda: discriminator_loss(state.discriminators, real, fake, views),
    )
    assert not any(moved(state.generator, generator))
    assert all(parameter.grad is None for parameter in state.generator.parameters())
    # Inside the margin real and fake pull the heads' biases with equal force.
    still = [name for name, p in state.discriminators.named_parameters() if not p.grad.any()]
    assert set(still) <= {"spatial.head.linear.bias", "temporal.head.linear.bias"}
    assert moved(state.discriminators, discriminators).count(False) <= len(still)


def test_a_generator_update_leaves_the_discriminators_alone(state: TrainState) -> None:
    generator, discriminators = copies(state.generator), copies(state.discriminators)
    given = GeneratorInputs(torch.randn(B, MODEL.latent_dim), torch.tensor([0, 1, 2]))
    asked: list[bool] = []
    state.discriminators.register_forward_pre_hook(
        lambda module, _: asked.extend(p.requires_grad for p in module.parameters())
    )
    views = Views(torch.tensor([[0, 2]] * B), torch.rand(B, 2))
    with frozen(state.discriminators):
        figures = one_step(
            state.generator,
            state.generator_optimizer,
            lambda: generator_loss(state.generator, state.discriminators, given, views),
        )
    assert not any(asked)  # frozen during the step
    assert all(parameter.requires_grad for parameter in state.discriminators.parameters())
    assert all(parameter.grad is None for parameter in state.discriminators.parameters())
    assert not any(moved(state.discriminators, discriminators))
    assert any(moved(state.generator, generator))
    squares = [p.grad.double().square().sum() for p in state.generator.parameters()]
    expected = float(sum(squares)) ** 0.5
    assert figures["whole_gradient_norm"].item() == pytest.approx(expected, rel=1e-4)


def test_the_generator_climbs_the_sum_of_both_scores() -> None:
    generator = nn.Bilinear(2, 1, 4)

    class Maker(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = generator

        def forward(self, latents: Tensor, labels: Tensor, conditioning: None) -> Tensor:
            return self.inner(latents, labels[:, None].float()).view(-1, 1, 1, 2, 2)

    network, maker = Linear(), Maker()
    latents, labels = torch.randn(B, 2), torch.tensor([0, 1, 2])
    video = maker(latents, labels, None).detach()
    x = (video.flatten(1).sum(1) + labels).double().numpy()
    optimizer = torch.optim.SGD(maker.parameters(), lr=0.1)
    bias = generator.bias.detach().clone()
    inputs = GeneratorInputs(latents, labels)
    views = Views(torch.zeros(B, 1), torch.zeros(B, 2))
    figures = one_step(maker, optimizer, lambda: generator_loss(maker, network, inputs, views))
    assert figures["generator_loss"].item() == pytest.approx(-(0.7 - 0.4) * x.mean(), rel=1e-4)
    # Every bias adds to every score: d loss / d bias = -(0.7 - 0.4), one step of 0.1.
    torch.testing.assert_close(generator.bias.detach(), bias + 0.1 * 0.3)


def test_frozen_lets_go_when_something_fails() -> None:
    network = nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="broken"), frozen(network):
        assert not any(parameter.requires_grad for parameter in network.parameters())
        raise RuntimeError("broken")
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_a_discriminator_that_is_left_out_has_no_part_in_either_loss() -> None:
    class Temporal(Linear):
        def forward(self, video: Tensor, labels: Tensor, views: Views) -> Scores:
            return Scores(None, super().forward(video, labels, views).temporal)

    network = Temporal()
    views = Views(torch.zeros(2 * B, 1, dtype=torch.int64), torch.zeros(2 * B, 2))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    real, fake = pair(), pair()
    figures = one_step(network, optimizer, lambda: discriminator_loss(network, real, fake, views))
    assert {name for name in figures if "gradient" not in name} == {
        "temporal_loss",
        "temporal_real",
        "temporal_fake",
    }
    assert network.weights[0].item() == pytest.approx(0.7)
    assert network.weights[1].item() != pytest.approx(-0.4)
