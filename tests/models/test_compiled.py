"""torch.compile changes nothing but speed: outputs and gradients of G and D, eager and compiled."""

import shutil

import pytest
import torch
from torch import Tensor, nn

from dvdgan.models.architecture import DiscriminatorArchitecture, GeneratorArchitecture
from dvdgan.models.discriminators import Discriminators
from dvdgan.models.generator import Generator
from dvdgan.models.views import Views

pytestmark = pytest.mark.skipif(
    shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on the CPU"
)

LABELS = torch.tensor([0, 1])
VIEWS = Views(torch.tensor([[1], [0]]), torch.zeros(2, 2))

# Fused kernels add up in another order: relative, of an output or a gradient as one vector.
TOLERANCE = 1e-4


def opened(network: nn.Module) -> nn.Module:
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):
            nn.init.constant_(parameter, 0.5)
    return network.train()


def learnt(network: nn.Module, made: Tensor) -> tuple[Tensor, list[Tensor]]:
    network.zero_grad()
    draws = torch.Generator().manual_seed(3)
    (made * torch.randn(made.shape, generator=draws)).sum().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert len(gradients) > 20
    return made.detach(), gradients


def far(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / (other.norm() + 1e-3))


def agree(eager: tuple[Tensor, list[Tensor]], compiled: tuple[Tensor, list[Tensor]]) -> None:
    assert far(compiled[0], eager[0]) < TOLERANCE
    for ours, theirs in zip(compiled[1], eager[1], strict=True):
        assert far(ours, theirs) < 100 * TOLERANCE
    whole = [torch.cat([gradient.flatten() for gradient in each[1]]) for each in (compiled, eager)]
    assert far(*whole) < TOLERANCE


def test_a_compiled_generator_is_the_eager_one() -> None:
    network = opened(Generator(GeneratorArchitecture(2, 32, 2, 1, latent_dim=4, class_dim=4)))
    latents = torch.randn(2, 4)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    eager = learnt(network, network(latents, LABELS))
    network.load_state_dict(state)
    network.compile(fullgraph=True)
    agree(eager, learnt(network, network(latents, LABELS)))


def test_compiled_discriminators_are_the_eager_ones() -> None:
    network = opened(Discriminators(DiscriminatorArchitecture(2, 32, 1)))
    video = torch.rand(2, 2, 3, 32, 32) * 2 - 1
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    eager = learnt(network, torch.stack(network(video, LABELS, VIEWS)))
    network.load_state_dict(state)
    network.compile(fullgraph=True)
    agree(eager, learnt(network, torch.stack(network(video, LABELS, VIEWS))))
