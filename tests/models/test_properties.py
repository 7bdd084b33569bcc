"""What holds for every architecture: nothing crosses between clips, nor between frames where it
must not. Random choices of all that params can choose."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias, get_args

import pytest
import torch
from torch import Tensor, nn

from dvdgan.models.architecture import Blocks, GeneratorArchitecture, Norm, Recurrence
from dvdgan.models.generator import Generator, GeneratorInputs

Change: TypeAlias = Callable[[Tensor], Tensor]

CLIPS = 3
SEEDS = range(8)
ROUNDING = 1e-7


def drawn(seed: int) -> GeneratorArchitecture:
    """An architecture of random choices."""
    choose = random.Random(seed)
    given = choose.choice([0, 0, 1, 3])
    return GeneratorArchitecture(
        classes=0 if given else 4,
        resolution=choose.choice([32, 32, 64]),
        frames=given + choose.randint(2, 6),
        channels=choose.choice([1, 2, 3]),
        latent_dim=choose.randint(4, 12),
        class_dim=choose.randint(3, 6),
        recurrent_channels=choose.choice([None, 5]),
        recurrence=choose.choice(get_args(Recurrence)),
        block_norm=choose.choice(get_args(Norm)),
        output_norm=choose.choice(get_args(Norm)),
        blocks=choose.choice(get_args(Blocks)),
        conditioning_frames=given,
        encoder_channels=choose.choice([1, 2]),
    )


every_architecture = pytest.mark.parametrize("architecture", [drawn(seed) for seed in SEEDS])


def made(architecture: GeneratorArchitecture) -> Generator:
    """With attention open, in eval mode, and in double precision, where nothing is near."""
    generator = Generator(architecture).double()
    for layer in (generator.joint_attention, *generator.separable_attention):
        nn.init.constant_(layer.gamma, 0.8)
    return generator.eval()


def inputs(a: GeneratorArchitecture) -> GeneratorInputs:
    conditioning = None
    if a.conditioning_frames:
        shape = (CLIPS, a.conditioning_frames, 3, a.resolution, a.resolution)
        conditioning = torch.rand(shape, dtype=torch.float64) * 2 - 1
    latents = torch.randn(CLIPS, a.latent_dim, dtype=torch.float64)
    return GeneratorInputs(latents, torch.arange(CLIPS), conditioning)


def test_the_architectures_drawn_differ_in_everything() -> None:
    all_of_them = [drawn(seed) for seed in SEEDS]
    assert {a.blocks for a in all_of_them} == set(get_args(Blocks))
    assert {a.multiplicative for a in all_of_them} == {True, False}
    assert {a.resolution for a in all_of_them} == {32, 64}
    assert {a.conditioning_frames > 0 for a in all_of_them} == {True, False}
    assert {a.block_norm for a in all_of_them} == set(get_args(Norm))


@every_architecture
def test_a_sample_does_not_hang_on_the_others(architecture: GeneratorArchitecture) -> None:
    generator, given = made(architecture), inputs(architecture)
    before = generator(*given)
    other = inputs(architecture)
    changes = {"latents": other.latents[2]}
    if architecture.classes:
        changes["labels"] = torch.tensor(3)
    if given.conditioning is not None:
        changes["conditioning"] = other.conditioning[2]
    for name, value in changes.items():
        part = getattr(given, name).clone()
        part[2] = value
        change = (generator(*given._replace(**{name: part})) - before).abs().amax(dim=(2, 3, 4))
        assert (change[:2] < ROUNDING).all(), name
        assert (change[2, architecture.conditioning_frames :] > 1e-4).all(), name


@every_architecture
def test_a_sample_does_not_hang_on_its_batch(architecture: GeneratorArchitecture) -> None:
    generator, given = made(architecture), inputs(architecture)
    together = generator(*given)
    for number in range(CLIPS):
        alone = generator(*given.rows(slice(number, number + 1)))
        torch.testing.assert_close(alone[0], together[number], atol=ROUNDING, rtol=0)


def batch_statistics(generator: Generator) -> Generator:
    """Norms as in training, and weights that stay as they are."""
    generator.eval()
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    return generator


def with_steps(generator: Generator, given: GeneratorInputs, change: Change) -> Tensor:
    """The generated frames, where what leaves the joint attention is changed on its way."""
    hook = generator.joint_attention.register_forward_hook(lambda _, __, out: change(out))
    try:
        return generator(*given)[:, generator.architecture.conditioning_frames :]
    finally:
        hook.remove()


@pytest.mark.parametrize("seed", SEEDS)
def test_permuted_states_give_permuted_frames(seed: int) -> None:
    """Behind the recurrence nothing knows which step is which, with batch statistics per step."""
    norms = {"block_norm": "per_step_batch", "output_norm": "per_step_batch"}
    architecture = replace(drawn(seed), **norms)
    generator, given = batch_statistics(made(architecture)), inputs(architecture)
    order = torch.randperm(architecture.generated_frames)
    before = with_steps(generator, given, lambda states: states)
    after = with_steps(generator, given, lambda states: states[:, order])
    torch.testing.assert_close(after, before[:, order], atol=ROUNDING, rtol=0)
    unmoved = torch.arange(architecture.generated_frames)
    if not torch.equal(order, unmoved):
        assert (after - before).abs().max() > 1e-3


@pytest.mark.parametrize("norm", get_args(Norm))
@pytest.mark.parametrize("seed", [0, 1])
def test_only_batch_norm_over_all_frames_leaks_across_time(norm: Norm, seed: int) -> None:
    """With the separable attention closed, the residual network treats every step alone."""
    architecture = replace(drawn(seed), block_norm=norm, output_norm=norm, resolution=32)
    generator, given = batch_statistics(made(architecture)), inputs(architecture)
    for layer in generator.separable_attention:
        nn.init.zeros_(layer.gamma)

    def others_moved(states: Tensor) -> Tensor:
        moved = 3 * torch.randn_like(states) + 1
        moved[:, 1] = states[:, 1]
        return moved

    before = with_steps(generator, given, lambda states: states)
    change = (with_steps(generator, given, others_moved) - before).abs().amax(dim=(0, 2, 3, 4))
    assert (change[1] > 1e-3) == (norm == "batch")
    assert (change[1] < ROUNDING) == (norm != "batch")
    assert change[0] > 1e-3
