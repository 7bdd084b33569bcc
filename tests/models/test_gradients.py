"""A gradient reaches every weight of G at initialisation, whatever its architecture."""

import pytest
import torch
from torch import Tensor

from dvdgan.models.architecture import GeneratorArchitecture
from dvdgan.models.generator import Generator

CASES = {
    "multiplicative": {},
    "plain": {"recurrence": "conv_gru"},
    "narrow recurrence": {"recurrent_channels": 6},
    "deep": {"blocks": "biggan_deep", "channels": 4},
    "layer norm": {"block_norm": "layer", "output_norm": "layer"},
    "no norm": {"block_norm": "none", "output_norm": "none"},
    "prediction": {"classes": 0, "conditioning_frames": 2},
    "plain prediction": {"classes": 0, "conditioning_frames": 2, "recurrence": "conv_gru"},
}

every_case = pytest.mark.parametrize("case", list(CASES))

# A gradient below this is rounding.
ROUNDING = 1e-4


def made(case: str) -> Generator:
    sizes = {"classes": 3, "resolution": 32, "frames": 5, "channels": 1}
    sizes |= {"latent_dim": 8, "class_dim": 6, "encoder_channels": 1}
    return Generator(GeneratorArchitecture(**(sizes | CASES[case])))


def gammas(generator: Generator) -> dict[str, Tensor]:
    return {n: p for n, p in generator.named_parameters() if n.endswith("gamma")}


def gradients(generator: Generator) -> dict[str, float]:
    """The largest entry of every parameter's gradient, on random inputs."""
    generator.zero_grad()
    given = generator.architecture.conditioning_frames
    conditioning = torch.rand(3, given, 3, 32, 32) * 2 - 1 if given else None
    frames = generator(torch.randn(3, 8), torch.tensor([0, 1, 2]), conditioning)
    (frames * torch.randn_like(frames)).sum().backward()
    return {
        name: 0.0 if parameter.grad is None else parameter.grad.abs().max().item()
        for name, parameter in generator.named_parameters()
    }


@every_case
def test_with_attention_open_nothing_is_idle(case: str) -> None:
    generator = made(case)
    for gamma in gammas(generator).values():
        torch.nn.init.constant_(gamma, 0.5)
    sizes = gradients(generator.train())
    # A bias before a batch norm moves nothing in training: its gradient is rounding.
    assert not [n for n, size in sizes.items() if size < ROUNDING and not n.endswith("bias")]
    assert not [n for n, size in gradients(generator.eval()).items() if size < ROUNDING]


@every_case
def test_with_attention_closed_its_gammas_can_open(case: str) -> None:
    generator = made(case).eval()
    assert all(gamma == 0 for gamma in gammas(generator).values())
    sizes = gradients(generator)
    assert all(sizes[name] > ROUNDING for name in gammas(generator))
    idle = {name for name, size in sizes.items() if size < ROUNDING}
    behind_gamma = {n for n in sizes if "_attention" in n and not n.endswith("gamma")}
    assert idle == behind_gamma
