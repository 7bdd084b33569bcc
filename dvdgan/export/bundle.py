"""Write a model bundle: averaged weights, standing statistics, spectral norm baked in."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dvdgan.data.loader import ClipDataset
from dvdgan.export.card import model_card
from dvdgan.export.sampler import CONFIG, WEIGHTS, Sampler
from dvdgan.models.build import generator_arguments
from dvdgan.models.generator import Generator
from dvdgan.models.latent import mixed_seed
from dvdgan.models.spectral import bake
from dvdgan.models.standing import recompute_statistics
from dvdgan.progress import track
from dvdgan.storage.local import atomic_directory, write_json

if TYPE_CHECKING:
    from dvdgan.config.schema import Clip, Model


@dataclass(frozen=True)
class Origin:
    """What a bundle is made from, beside the weights."""

    generator: dict[str, int]
    """Arguments of models.generator.Generator."""
    classes: list[str]
    class_labels: Tensor
    """(videos,) labels of the training split: standing statistics follow their frequencies."""
    fps: float
    """Frames per second of a generated clip: the source's, divided by the stride."""

    @classmethod
    def of(cls, dataset: ClipDataset, model: "Model", clip: "Clip") -> "Origin":
        """The origin of every model trained on ``dataset`` (the training split)."""
        return cls(
            generator_arguments(model, clip, len(dataset.classes)),
            dataset.classes,
            torch.tensor(dataset.labels),
            dataset.clip_fps,
        )


@dataclass(frozen=True)
class Standing:
    """How standing statistics are computed: training-mode forwards and clips in each."""

    batches: int = 16
    batch_size: int = 16


def trained_sampler(
    average: Path, origin: Origin, standing: Standing, device: str = "cpu"
) -> Sampler:
    """The averaged generator of a checkpoint (its average.safetensors), ready to sample."""
    generator = Generator(**origin.generator)
    generator.load_state_dict(load_file(average))
    return _finished(generator.to(device), origin, standing)


def untrained_sampler(origin: Origin, standing: Standing, device: str = "cpu") -> Sampler:
    """The same generator before its first step: a control for the metrics."""
    torch.manual_seed(mixed_seed("untrained generator"))
    return _finished(Generator(**origin.generator).to(device), origin, standing)


def write_bundle(sampler: Sampler, origin: Origin, facts: dict[str, Any], folder: Path) -> None:
    """Write weights, config.json and the model card to ``folder``, all or nothing.

    ``facts`` (step, fingerprint, data set, ...) go into config.json and the card.
    """
    config = {
        "format": "dvdgan model bundle 1",
        "generator": origin.generator,
        "classes": origin.classes,
        "fps": origin.fps,
        "facts": facts,
    }
    with atomic_directory(folder) as aside:
        save_file(sampler.generator.state_dict(), aside / WEIGHTS)
        write_json(aside / CONFIG, config)
        (aside / "README.md").write_text(model_card(config), encoding="utf-8")


def _finished(generator: Generator, origin: Origin, standing: Standing) -> Sampler:
    device = next(generator.parameters()).device
    batches = _standing_batches(generator.latent_dim, origin, standing)
    shown = track(batches, "standing statistics", standing.batches, "forwards")
    recompute_statistics(generator, ((z.to(device), y.to(device)) for z, y in shown))
    bake(generator)
    return Sampler(generator, origin.classes, origin.fps)


def _standing_batches(
    latent_dim: int, origin: Origin, standing: Standing
) -> Iterator[tuple[Tensor, Tensor]]:
    """Untruncated latents and labels at the data's frequencies, always the same."""
    draws = torch.Generator().manual_seed(mixed_seed("standing statistics"))
    size = standing.batch_size
    for _ in range(standing.batches):
        latents = torch.randn(size, latent_dim, generator=draws)
        picks = torch.randint(len(origin.class_labels), (size,), generator=draws)
        yield latents, origin.class_labels[picks]
