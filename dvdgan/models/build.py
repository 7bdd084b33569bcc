"""Builds G, D_S and D_T from the sections `model` and `clip` of params.yaml."""

from typing import TYPE_CHECKING

import torch

from dvdgan.models.architecture import DiscriminatorArchitecture, GeneratorArchitecture
from dvdgan.models.discriminators import Discriminators
from dvdgan.models.generator import Generator
from dvdgan.models.latent import derive_seed

if TYPE_CHECKING:
    from dvdgan.config.schema import Clip, Model


def generator_architecture(model: "Model", clip: "Clip", classes: int) -> GeneratorArchitecture:
    """G as params describe it, for a data set of so many classes. Prediction uses none (A.4)."""
    return GeneratorArchitecture(
        classes=0 if model.conditioning_frames else classes,
        resolution=clip.resolution,
        frames=clip.frames,
        channels=model.generator_channels,
        latent_dim=model.latent_dim,
        class_dim=model.class_dim,
        recurrent_channels=model.recurrent_channels,
        recurrence=model.recurrence,
        block_norm=model.block_norm,
        output_norm=model.output_norm,
        blocks=model.blocks,
        conditioning_frames=model.conditioning_frames,
        encoder_channels=model.discriminator_channels if model.conditioning_frames else 0,
    )


def discriminator_architecture(
    model: "Model", clip: "Clip", classes: int
) -> DiscriminatorArchitecture:
    """D_S and D_T as params describe them."""
    return DiscriminatorArchitecture(
        classes=0 if model.conditioning_frames else classes,
        resolution=clip.resolution,
        channels=model.discriminator_channels,
        kinds=model.discriminators,
        phi=model.phi,
        blocks=model.blocks,
    )


def build_generator(model: "Model", clip: "Clip", classes: int) -> Generator:
    """G as params describe it, freshly initialised from torch's global random state."""
    return Generator(generator_architecture(model, clip, classes))


def initial_generator(
    model: "Model", clip: "Clip", classes: int, seed: int, restart: int = 0
) -> Generator:
    """G before step 1 of a run with this train.seed; each ``restart`` of it has other weights.

    Seeds torch's global random state; a run draws its discriminators next.
    """
    torch.manual_seed(derive_seed(seed, "initialisation", *([restart] if restart else [])))
    return build_generator(model, clip, classes)


def build_discriminators(model: "Model", clip: "Clip", classes: int) -> Discriminators:
    """D_S and D_T as params describe them, freshly initialised."""
    return Discriminators(discriminator_architecture(model, clip, classes))
