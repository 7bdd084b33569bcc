"""Bfloat16 autocast stays near float32, and channels_last is a layout and nothing else."""

import copy

import pytest
import torch
from torch import Tensor, nn

from dvdgan.models.architecture import DiscriminatorArchitecture, GeneratorArchitecture
from dvdgan.models.discriminators import Discriminators
from dvdgan.models.generator import Generator, GeneratorInputs
from dvdgan.models.views import draw_views

CLIPS, FRAMES, GIVEN = 4, 6, 2

LABELS = torch.arange(CLIPS) % 3
VIEWS = draw_views(CLIPS, FRAMES, 3, torch.Generator().manual_seed(1))


def generator(kind: str) -> tuple[Generator, GeneratorInputs]:
    given = GIVEN if kind == "prediction" else 0
    network = Generator(
        GeneratorArchitecture(
            classes=0 if given else 3,
            resolution=32,
            frames=FRAMES,
            channels=4,
            recurrence="conv_gru" if kind == "plain" else "by_length",
            conditioning_frames=given,
            encoder_channels=2,
        )
    )
    for layer in (network.joint_attention, *network.separable_attention):
        nn.init.constant_(layer.gamma, 0.5)
    conditioning = torch.rand(CLIPS, GIVEN, 3, 32, 32) * 2 - 1 if given else None
    return network, GeneratorInputs(torch.randn(CLIPS, 120), LABELS, conditioning)


def discriminators() -> tuple[Discriminators, Tensor]:
    video = torch.rand(CLIPS, FRAMES, 3, 32, 32) * 2 - 1
    return Discriminators(DiscriminatorArchitecture(3, 32, 4)).eval(), video


def batch_statistics(network: Generator) -> Generator:
    """Norms as in training, and weights that stay as they are."""
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    return network


every_generator = pytest.mark.parametrize("kind", ["multiplicative", "plain", "prediction"])


def gradients(network: nn.Module, output: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Of sum(weights * output), by parameter."""
    network.zero_grad()
    (output * weights).sum().backward()
    return {name: parameter.grad.clone() for name, parameter in network.named_parameters()}


def cosine(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Between two gradients of a whole network."""
    vectors = [torch.cat([each.flatten() for each in all_.values()]) for all_ in (one, other)]
    return torch.nn.functional.cosine_similarity(*vectors, dim=0).item()


# A bfloat16 number is off by up to 2^-9 = 0.2 %, and some thirty layers add up. Over 12 seeds the
# root mean square error was 1.6 to 3.5 % of the frames' spread, and 0.1 to 1.6 % of the logits'
# size; the cosine between the gradients was 0.89 to 0.98 for G and above 0.999 for D.
FRAMES_OFF = 0.06
LOGITS_OFF = 0.04
COSINE_OF_G = 0.8
COSINE_OF_D = 0.99


@every_generator
def test_frames_in_bfloat16_are_near_those_in_float32(kind: str) -> None:
    network, inputs = generator(kind)
    batch_statistics(network)
    reference = network(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        got = network(*inputs)
    weights = torch.randn_like(reference)
    first = GIVEN if kind == "prediction" else 0
    errors = (got.float() - reference)[:, first:].square().mean().sqrt()
    share = (errors / reference[:, first:].std()).item()
    assert 1e-4 < share < FRAMES_OFF  # above 0, or nothing was computed in bfloat16
    before = gradients(network, reference, weights)
    assert cosine(before, gradients(network, got.float(), weights)) > COSINE_OF_G
    if first:
        assert torch.equal(got[:, :first], inputs.conditioning)


def test_logits_in_bfloat16_are_near_those_in_float32() -> None:
    network, video = discriminators()
    scores = network(video, LABELS, VIEWS)
    with torch.autocast("cpu", torch.bfloat16):
        low = network(video, LABELS, VIEWS)
    for got, reference in zip(low, scores, strict=True):
        error = (got.float() - reference).square().mean().sqrt()
        share = (error / reference.square().mean().sqrt()).item()
        assert 1e-5 < share < LOGITS_OFF
    weights = torch.randn(CLIPS)
    before = gradients(network, scores.spatial + scores.temporal, weights)
    after = gradients(network, low.spatial.float() + low.temporal.float(), weights)
    assert cosine(before, after) > COSINE_OF_D


# Double precision, so that no rounding hides a difference: what remains is its own.
ROUNDING = 1e-9


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    for name, gradient in one.items():
        assert gradient.any(), name
        torch.testing.assert_close(other[name], gradient, atol=ROUNDING, rtol=1e-7)


@every_generator
def test_channels_last_changes_no_frame_of_g(kind: str) -> None:
    network, inputs = generator(kind)
    network.double().eval()
    latents, labels, conditioning = inputs
    inputs = GeneratorInputs(
        latents.double(), labels, None if conditioning is None else conditioning.double()
    )
    last = copy.deepcopy(network).to(memory_format=torch.channels_last)
    assert last.output.weight.is_contiguous(memory_format=torch.channels_last)
    given = None if conditioning is None else channels_last(inputs.conditioning)
    frames, got = network(*inputs), last(*inputs._replace(conditioning=given))
    torch.testing.assert_close(got, frames, atol=ROUNDING, rtol=1e-7)
    weights = torch.randn_like(frames)
    assert_same(gradients(network, frames, weights), gradients(last, got, weights))


def test_channels_last_changes_no_logit_of_d() -> None:
    network, video = discriminators()
    network, video = network.double(), video.double()
    last = copy.deepcopy(network)
    # Four-dimensional weights alone have this layout; those of videos have their own.
    for part in (last.spatial, last.temporal.stages_2d):
        part.to(memory_format=torch.channels_last)
    last.temporal.stages_3d.to(memory_format=torch.channels_last_3d)
    scores, got = network(video, LABELS, VIEWS), last(channels_last(video), LABELS, VIEWS)
    weights = torch.randn(CLIPS, dtype=torch.float64)
    for one, other in zip(scores, got, strict=True):
        torch.testing.assert_close(other, one, atol=ROUNDING, rtol=1e-7)
    before = gradients(network, scores.spatial + scores.temporal, weights)
    assert_same(before, gradients(last, got.spatial + got.temporal, weights))


def channels_last(video: Tensor) -> Tensor:
    """The same (B, T, 3, H, W), with the colours of a pixel side by side."""
    frames = video.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    return frames.unflatten(0, video.shape[:2])
