"""What holds for any architecture: clips and time steps stay apart, every weight learns."""

import random
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dvdgan.models.architecture import DiscriminatorArchitecture, GeneratorArchitecture
from dvdgan.models.discriminators import Discriminators
from dvdgan.models.generator import Generator, GeneratorInputs
from dvdgan.models.views import Views

B = 3


def architecture(number: int) -> GeneratorArchitecture:
    """One of endlessly many, a function of its number."""
    draw = random.Random(number)
    given = draw.choice([0, 0, 1, 2])
    return GeneratorArchitecture(
        classes=0 if given else 3,
        resolution=draw.choice([32, 32, 64]),
        frames=given + draw.randint(3, 6),
        channels=draw.choice([1, 2]),
        latent_dim=draw.choice([5, 8]),
        class_dim=6,
        recurrent_channels=draw.choice([None, 7]),
        recurrence=draw.choice(["multiplicative_conv_gru", "conv_gru"]),
        block_norm=draw.choice(["per_step_batch", "per_step_batch", "group", "layer", "none"]),
        blocks=draw.choice(["biggan", "biggan_deep"]),
        conditioning_frames=given,
        encoder_channels=1 if given else 0,
    )


def inputs(a: GeneratorArchitecture, clips: int = B) -> GeneratorInputs:
    count, side = a.conditioning_frames, a.resolution
    given = torch.rand(clips, count, 3, side, side) * 2 - 1 if count else None
    return GeneratorInputs(torch.randn(clips, a.latent_dim), torch.arange(clips) % 3, given)


def open_attention(network: nn.Module) -> None:
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):
            nn.init.constant_(parameter, 0.5)


anywhere = pytest.mark.parametrize("number", range(8))


@anywhere
def test_a_clip_does_not_move_when_another_does(number: int) -> None:
    a = architecture(number)
    generator = Generator(a).eval()
    open_attention(generator)
    given = inputs(a)
    before = generator(*given)
    latents, labels = given.latents.clone(), given.labels.clone()
    latents[1] += 1
    labels[1] = 0
    frames = given.conditioning
    if frames is not None:
        frames = frames.clone()
        frames[1] *= -1
    moved = (generator(latents, labels, frames) - before).abs().amax(dim=(1, 2, 3, 4))
    assert (moved[[0, 2]] < 1e-5).all()
    assert moved[1] > 1e-3


@pytest.mark.parametrize("frames", [5, 12, 16, 48])
def test_frames_differ_over_time_at_initialisation(frames: int) -> None:
    generator = Generator(GeneratorArchitecture(3, 32, frames, 2)).eval()
    made = generator(torch.randn(2, 120), torch.tensor([0, 1]))
    changes = made.diff(dim=1).abs().mean(dim=(2, 3, 4))
    assert changes.min() > 2e-4
    earlier, later = torch.triu_indices(frames, frames, offset=1)
    assert (made[:, earlier] - made[:, later]).abs().amax(dim=(2, 3, 4)).min() > 1e-3


class Permute(nn.Module):
    """Stands behind a module and brings the time steps of what it makes into another order."""

    def __init__(self, module: nn.Module, order: Tensor) -> None:
        super().__init__()
        self.module, self.order = module, order

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x)[:, self.order]


@pytest.mark.parametrize("blocks", ["biggan", "biggan_deep"])
def test_behind_the_recurrence_no_step_knows_its_number(blocks: Any) -> None:
    """In training the norm of a step has statistics of the batch alone; permuted steps come out
    permuted."""
    sizes = {"classes": 3, "resolution": 32, "frames": 5, "channels": 1, "latent_dim": 8}
    generator = Generator(GeneratorArchitecture(**sizes, blocks=blocks)).train()  # type: ignore[arg-type]
    open_attention(generator)
    given = inputs(generator.architecture)
    state = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    before = generator(*given)
    generator.load_state_dict(state)  # the same power iteration again
    order = torch.tensor([3, 0, 4, 1, 2])
    generator.joint_attention = Permute(generator.joint_attention, order)
    torch.testing.assert_close(generator(*given), before[:, order], atol=1e-4, rtol=1e-4)


def changed_by_step(norm: Any) -> Tensor:
    """How much step 0 of a training forward moves when the other steps do, behind the recurrence,
    with attention closed: (T,)."""
    generator = Generator(GeneratorArchitecture(3, 32, 4, 1, block_norm=norm, output_norm=norm))
    generator.train()
    given = inputs(generator.architecture)
    state = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    before = generator(*given)
    generator.load_state_dict(state)

    def disturb(_: nn.Module, __: Any, made: Tensor) -> Tensor:
        return torch.cat([made[:, :1], 3 * made[:, 1:] + 1], dim=1)

    generator.joint_attention.register_forward_hook(disturb)
    moved: Tensor = (generator(*given) - before).abs().amax(dim=(0, 2, 3, 4))
    return moved


def test_per_step_norm_keeps_steps_apart_and_batch_norm_over_all_frames_leaks() -> None:
    apart = changed_by_step("per_step_batch")
    assert apart[0] == 0
    assert apart[1:].min() > 0.01
    assert changed_by_step("batch")[0] > 0.01
    for of_one_frame in ("group", "layer", "instance", "none"):
        assert changed_by_step(of_one_frame)[0] == 0


@pytest.mark.parametrize("blocks", ["biggan", "biggan_deep"])
def test_the_order_of_frames_is_d_t_s_business_alone(blocks: Any) -> None:
    both = Discriminators(DiscriminatorArchitecture(3, 32, 1, blocks=blocks)).eval()
    video, labels = torch.rand(2, 6, 3, 32, 32) * 2 - 1, torch.tensor([0, 2])
    straight = Views(torch.arange(6).expand(2, 6), torch.zeros(2, 2))
    turned = Views(straight.frames.flip(1), straight.corners)
    forward, backward = both(video, labels, straight), both(video, labels, turned)
    torch.testing.assert_close(forward.spatial, backward.spatial)
    reversed_video = both(video.flip(1), labels, straight)
    torch.testing.assert_close(forward.spatial, reversed_video.spatial)
    assert (forward.temporal - reversed_video.temporal).abs().min() > 1e-4


def predictor() -> Generator:
    return Generator(
        GeneratorArchitecture(0, 32, 6, 1, conditioning_frames=3, encoder_channels=1)
    ).eval()


def test_a_prediction_keeps_the_given_frames_and_heeds_each() -> None:
    generator = predictor()
    latents, labels, frames = inputs(generator.architecture)
    assert frames is not None
    before = generator(latents, labels, frames)
    assert before.shape == (B, 6, 3, 32, 32)
    assert torch.equal(before[:, :3], frames)
    assert torch.equal(generator(latents, labels.flip(0), frames), before)  # it knows no classes
    for number in range(3):
        other = frames.clone()
        other[:, number] *= -1
        moved = (generator(latents, labels, other) - before)[:, 3:].abs().amax(dim=(0, 2, 3, 4))
        assert moved.min() > 1e-3


def test_frames_to_continue_are_neither_missing_nor_too_many() -> None:
    latents, labels = torch.randn(2, 120), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="continues 3 frames, but got 0"):
        predictor()(latents, labels)
    with pytest.raises(ValueError, match="continues 3 frames, but got 2"):
        predictor()(latents, labels, torch.zeros(2, 2, 3, 32, 32))
    with pytest.raises(ValueError, match="continues 0 frames, but got 1"):
        synthesis = Generator(GeneratorArchitecture(3, 32, 4, 1))
        synthesis(latents, labels, torch.zeros(2, 1, 3, 32, 32))
