"""The whole generator: whose condition moves what, at the start and in shape (paper 3, A.2)."""

import pytest
import torch
from torch import Tensor

from dvdgan.models.generator import Generator

FRAMES = 5


@pytest.fixture
def generator() -> Generator:
    return Generator(3, 32, frames=FRAMES, channels=1, latent_dim=8, class_dim=6)


def open_attention(generator: Generator) -> Generator:
    for layer in (generator.joint_attention, *generator.separable_attention):
        torch.nn.init.constant_(layer.gamma, 0.5)
    return generator


def inputs() -> tuple[Tensor, Tensor]:
    return torch.randn(3, 8), torch.tensor([0, 1, 2])


@pytest.mark.parametrize("resolution", [32, 64])
def test_shape_and_range(resolution: int) -> None:
    generator = Generator(3, resolution, frames=2, channels=1, latent_dim=8, class_dim=6)
    frames = generator(3 * torch.randn(3, 8), torch.tensor([0, 1, 2]))
    assert frames.shape == (3, 2, 3, resolution, resolution)
    assert frames.abs().max() <= 1
    assert frames.std() > 0.05


@pytest.mark.parametrize("changed", ["label", "latent"])
def test_a_condition_moves_its_own_clip_and_every_frame_of_it(
    generator: Generator, changed: str
) -> None:
    open_attention(generator).eval()
    latents, labels = inputs()
    before = generator(latents, labels)
    if changed == "label":
        labels[1] = 2
    else:
        latents[1] += 1
    moved = (generator(latents, labels) - before).abs().amax(dim=(2, 3, 4))
    assert (moved[[0, 2]] < 1e-5).all()
    assert (moved[1] > 1e-4).all()


def test_frames_differ_over_time_from_the_start(generator: Generator) -> None:
    generator.eval()  # no batch statistics that could make steps differ by themselves
    frames = generator(*inputs())
    for earlier in range(FRAMES):
        for later in range(earlier + 1, FRAMES):
            assert (frames[:, earlier] - frames[:, later]).abs().max() > 1e-3


def test_gradients_reach_every_weight_from_the_start(generator: Generator) -> None:
    open_attention(generator).train()
    target = torch.randn(3, FRAMES, 3, 32, 32)
    (generator(*inputs()) * target).sum().backward()
    # A bias before a batch norm moves nothing in training: its gradient is rounding.
    weights = {name: p for name, p in generator.named_parameters() if not name.endswith("bias")}
    idle = [n for n, p in weights.items() if p.grad is None or not p.grad.abs().max() > 1e-4]
    assert not idle
    generator.zero_grad()
    generator.eval()
    (generator(*inputs()) * target).sum().backward()
    idle = [n for n, p in generator.named_parameters() if not p.grad.abs().max() > 1e-4]
    assert not idle
