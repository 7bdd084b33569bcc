"""The whole generator of synthesis: whose condition moves what, at the start and in shape (A.2)."""

import numpy as np
import pytest
import torch
from plain_numpy import array, relu, standardised, through
from torch import Tensor

from dvdgan.models.architecture import GeneratorArchitecture
from dvdgan.models.generator import Generator, GeneratorInputs

FRAMES = 5


def tiny(**choices: object) -> Generator:
    sizes = {"classes": 3, "resolution": 32, "frames": FRAMES, "channels": 1}
    sizes |= {"latent_dim": 8, "class_dim": 6}
    return Generator(GeneratorArchitecture(**(sizes | choices)))


def open_attention(generator: Generator) -> Generator:
    for layer in (generator.joint_attention, *generator.separable_attention):
        torch.nn.init.constant_(layer.gamma, 0.5)
    return generator


def inputs() -> tuple[Tensor, Tensor]:
    return torch.randn(3, 8), torch.tensor([0, 1, 2])


@pytest.mark.parametrize("resolution", [32, 64])
@pytest.mark.parametrize("blocks", ["biggan", "biggan_deep"])
def test_shape_and_range(resolution: int, blocks: str) -> None:
    generator = tiny(resolution=resolution, frames=2, blocks=blocks)
    frames = generator(3 * torch.randn(3, 8), torch.tensor([0, 1, 2]))
    assert frames.shape == (3, 2, 3, resolution, resolution)
    assert frames.abs().max() <= 1
    assert frames.std() > 0.05


@pytest.mark.parametrize("changed", ["label", "latent"])
def test_a_condition_moves_its_own_clip_and_every_frame_of_it(changed: str) -> None:
    generator = open_attention(tiny()).eval()
    latents, labels = inputs()
    before = generator(latents, labels)
    if changed == "label":
        labels[1] = 2
    else:
        latents[1] += 1
    moved = (generator(latents, labels) - before).abs().amax(dim=(2, 3, 4))
    assert (moved[[0, 2]] < 1e-5).all()
    assert (moved[1] > 1e-4).all()


def test_every_block_is_conditions_the_whole_condition() -> None:
    """[z; e(y)], not a part of z for each stage as in BigGAN."""
    generator, (latents, labels) = tiny(), inputs()
    conditions: list[Tensor] = []
    for stage in generator.stages:
        for block in (stage.keep, stage.doubling):
            for norm in (block.norm1, block.norm2):
                norm.register_forward_pre_hook(lambda _, args: conditions.append(args[1]))
    generator(latents, labels)
    expected = torch.cat([latents, generator.class_embedding.weight[labels]], dim=1)
    assert len(conditions) == 2 * 2 * 3
    assert all(torch.equal(each, expected) for each in conditions)


@pytest.mark.parametrize(
    ("resolution", "joint", "separable"), [(32, (8, 4), (4, 16)), (64, (8, 4), (4, 32))]
)
def test_attention_after_the_recurrence_and_at_half_the_resolution(
    resolution: int, joint: tuple[int, int], separable: tuple[int, int]
) -> None:
    """Channels and size of the features that attend; the separable ones enter the last stage."""
    generator = tiny(resolution=resolution)
    order: list[str] = []
    shapes: dict[str, tuple[int, ...]] = {}
    for name, module in generator.named_children():
        module.register_forward_hook(lambda *_, name=name: order.append(name))
    for number, stage in enumerate(generator.stages):
        stage.register_forward_hook(lambda *_, number=number: order.append(f"stage {number}"))
    for name in ("joint_attention", "separable_attention"):
        getattr(generator, name).register_forward_hook(
            lambda _, args, __, name=name: shapes.update({name: args[0].shape})
        )
    generator(*inputs())
    early = [f"stage {number}" for number in range(len(generator.stages) - 1)]
    assert order == [
        "class_embedding",
        "initial",
        "recurrence",
        "joint_attention",
        *early,
        "separable_attention",
        f"stage {len(early)}",
        "output_norm",
        "output",
    ]
    for name, (channels, size) in (("joint_attention", joint), ("separable_attention", separable)):
        assert shapes[name] == (3, FRAMES, channels, size, size)


def test_the_recurrence_is_fed_the_affine_map_of_the_condition() -> None:
    generator, (latents, labels) = tiny().eval(), inputs()
    fed: list[Tensor] = []
    generator.recurrence.register_forward_pre_hook(lambda _, args: fed.extend(args))
    generator(latents, labels)
    condition = np.concatenate(
        [array(latents), array(generator.class_embedding.weight)[labels]], axis=1
    )
    weight, bias = array(generator.initial.weight), array(generator.initial.bias)
    expected = (condition @ weight.T + bias).reshape(3, 8, 4, 4)
    np.testing.assert_allclose(array(fed[0]), expected, atol=1e-5)
    assert fed[1] is None  # h_0 = 0


def test_the_end_is_norm_relu_convolution_tanh() -> None:
    generator = tiny().train()
    ended: list[Tensor] = []
    generator.stages[-1].register_forward_hook(lambda _, __, out: ended.append(out))
    frames = array(generator(*inputs()))
    generator.eval()
    h = relu(standardised("per_step_batch", array(ended[0])))
    for clip, step in np.ndindex(3, FRAMES):
        expected = np.tanh(through(generator.output, h[clip, step]))
        np.testing.assert_allclose(frames[clip, step], expected, atol=5e-5)


@pytest.mark.parametrize("frames", [5, 12, 16, 48])
def test_frames_differ_over_time_from_the_start(frames: int) -> None:
    """Of the recurrence that the paper's rule takes for so many."""
    # In eval mode: no batch statistics that could make steps differ by themselves.
    clips = tiny(frames=frames).eval()(*inputs())
    for later in range(1, frames):
        differences = (clips[:, :later] - clips[:, [later]]).abs().amax(dim=(2, 3, 4))
        assert differences.min() > 1e-3


def test_inputs_can_be_taken_in_parts() -> None:
    given = GeneratorInputs(*inputs(), torch.rand(3, 2, 3, 4, 4))
    latents, labels, conditioning = given.rows(slice(1, 3))
    assert torch.equal(latents, given.latents[1:])
    assert torch.equal(labels, given.labels[1:])
    assert torch.equal(conditioning, given.conditioning[1:])
    assert GeneratorInputs(*inputs()).rows(slice(0, 1)).conditioning is None
    assert all(part.device.type == "meta" for part in given.to("meta"))
