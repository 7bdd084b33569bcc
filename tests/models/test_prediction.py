"""Frame prediction, DVD-GAN-FP: how a clip begins, and what its continuation hangs on (A.4)."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dvdgan.models.architecture import Blocks, DiscriminatorArchitecture, GeneratorArchitecture
from dvdgan.models.discriminators import Discriminators
from dvdgan.models.generator import Generator
from dvdgan.models.views import draw_views

GIVEN, FRAMES = 2, 5

LATENTS = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
LABELS = torch.tensor([0, 1, 2])


def predictor(blocks: Blocks = "biggan", frames: int = FRAMES) -> Generator:
    return Generator(
        GeneratorArchitecture(
            classes=0,
            resolution=32,
            frames=frames,
            channels=1,
            latent_dim=8,
            blocks=blocks,
            conditioning_frames=GIVEN,
            encoder_channels=1,
        )
    ).eval()


def given(frames: int = GIVEN) -> Tensor:
    return torch.rand(3, frames, 3, 32, 32) * 2 - 1


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("blocks", ["biggan", "biggan_deep"])
def test_a_clip_begins_with_the_given_frames_bit_for_bit(blocks: Blocks, training: bool) -> None:
    generator, conditioning = predictor(blocks).train(training), given()
    clip = generator(LATENTS, LABELS, conditioning)
    assert clip.shape == (3, FRAMES, 3, 32, 32)
    assert torch.equal(clip[:, :GIVEN], conditioning)
    assert clip.abs().max() <= 1


def test_a_single_frame_can_be_predicted() -> None:
    conditioning = given()
    clip = predictor(frames=GIVEN + 1)(LATENTS, LABELS, conditioning)
    assert clip.shape == (3, GIVEN + 1, 3, 32, 32)
    assert torch.equal(clip[:, :GIVEN], conditioning)
    assert clip[:, GIVEN].std() > 0.01


@pytest.mark.parametrize("number", range(GIVEN))
def test_every_predicted_frame_hangs_on_every_given_one(number: int) -> None:
    generator, conditioning = predictor(), given()
    before = generator(LATENTS, LABELS, conditioning)
    moved = conditioning.clone()
    moved[1, number] = given()[0, 0]
    change = (generator(LATENTS, LABELS, moved) - before).abs().amax(dim=(2, 3, 4))
    assert (change[1, GIVEN:] > 1e-3).all()
    assert (change[[0, 2]] < 1e-5).all()


def test_the_order_of_the_given_frames_matters() -> None:
    generator, conditioning = predictor(), given()
    before = generator(LATENTS, LABELS, conditioning)
    change = (generator(LATENTS, LABELS, conditioning.flip(1)) - before).abs()
    assert (change[:, GIVEN:].amax(dim=(2, 3, 4)) > 1e-3).all()


def test_every_predicted_frame_hangs_on_the_latent() -> None:
    generator, conditioning = predictor(), given()
    before = generator(LATENTS, LABELS, conditioning)
    change = (generator(LATENTS + 1, LABELS, conditioning) - before).abs().amax(dim=(2, 3, 4))
    assert (change[:, GIVEN:] > 1e-4).all()


def test_the_recurrence_starts_from_the_encoder_s_state() -> None:
    generator, conditioning = predictor(), given()
    fed: list[Tensor] = []
    generator.recurrence.register_forward_pre_hook(lambda _, args: fed.append(args[1]))
    generator(LATENTS, LABELS, conditioning)
    assert torch.equal(fed[0], generator.encoder(conditioning).state)


def test_state_and_skips_both_carry_the_given_frames() -> None:
    generator = predictor()
    one, other = (generator.encoder(given()) for _ in range(2))
    condition = generator.condition(LATENTS, LABELS)
    x = generator.initial(condition).unflatten(1, (-1, 4, 4))
    states = [generator.recurrence(x, encoded.state) for encoded in (one, other)]
    assert (states[0] - states[1]).abs().amax(dim=(2, 3, 4)).min() > 1e-3
    # With the same states, the skips alone make a difference at every stage.
    x = states[0]
    for stage in generator.stages:
        outputs = [stage(x, condition, encoded) for encoded in (one, other)]
        assert (outputs[0] - outputs[1]).abs().amax(dim=(2, 3, 4)).min() > 1e-3
        x = outputs[0]


def test_predicted_frames_differ_over_time_from_the_start() -> None:
    clip = predictor()(LATENTS, LABELS, given())[:, GIVEN:]
    for earlier, later in zip(*np.triu_indices(FRAMES - GIVEN, k=1), strict=True):
        assert ((clip[:, earlier] - clip[:, later]).abs().amax(dim=(1, 2, 3)) > 1e-3).all()


def test_labels_move_nothing() -> None:
    generator, conditioning = predictor(), given()
    before = generator(LATENTS, LABELS, conditioning)
    assert torch.equal(generator(LATENTS, LABELS + 5, conditioning), before)
    assert not [module for module in generator.modules() if isinstance(module, nn.Embedding)]


@pytest.mark.parametrize("frames", [None, 1, 3])
def test_another_number_of_given_frames_is_refused(frames: int | None) -> None:
    conditioning = None if frames is None else given(frames)
    with pytest.raises(ValueError, match=f"continues 2 frames, but got {frames or 0}"):
        predictor()(LATENTS, LABELS, conditioning)


def test_synthesis_refuses_frames_to_continue() -> None:
    generator = Generator(GeneratorArchitecture(3, 32, frames=2, channels=1, latent_dim=8))
    with pytest.raises(ValueError, match="continues 0 frames, but got 2"):
        generator(LATENTS, LABELS, given())


def test_discriminators_see_given_and_predicted_frames_alike() -> None:
    """The whole clip, with nothing that shows which frames are which."""
    network = Discriminators(DiscriminatorArchitecture(0, 32, 1)).eval()
    clip = predictor()(LATENTS, LABELS, given()).detach().requires_grad_()
    views = draw_views(3, FRAMES, FRAMES, torch.Generator())
    scores = network(clip, LABELS, views)
    for logits in scores:
        (gradient,) = torch.autograd.grad(logits.sum(), clip, retain_graph=True)
        assert (gradient.abs().amax(dim=(2, 3, 4)) > 0).all()
    # As large as a clip that nothing was given of.
    parameters = sum(parameter.numel() for parameter in network.parameters())
    with_classes = Discriminators(DiscriminatorArchitecture(3, 32, 1))
    embeddings = 2 * 3 * 16
    assert sum(p.numel() for p in with_classes.parameters()) == parameters + embeddings
