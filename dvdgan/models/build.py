"""From params to networks: the one place where `models` meets the config."""

from typing import TYPE_CHECKING

from dvdgan.models.discriminators import Discriminators
from dvdgan.models.generator import Generator

if TYPE_CHECKING:
    from dvdgan.config.schema import Clip, Model


def generator_arguments(model: "Model", clip: "Clip", classes: int) -> dict[str, int]:
    """Everything `Generator(**arguments)` needs; also kept in a model bundle's config.json."""
    return {
        "classes": classes,
        "resolution": clip.resolution,
        "frames": clip.frames,
        "channels": model.generator_channels,
        "latent_dim": model.latent_dim,
        "class_dim": model.class_dim,
    }


def build_generator(model: "Model", clip: "Clip", classes: int) -> Generator:
    """G as params describe it, freshly initialised from torch's global random state."""
    return Generator(**generator_arguments(model, clip, classes))


def build_discriminators(model: "Model", clip: "Clip", classes: int) -> Discriminators:
    """D_S and D_T as params describe them, freshly initialised."""
    return Discriminators(classes, clip.resolution, model.discriminator_channels)
