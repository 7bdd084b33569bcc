"""Write a model bundle: averaged weights, standing statistics, spectral norm baked in."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from dvdgan.data.dataset import ClipDataset
from dvdgan.data.random_clips import ConditioningFrames
from dvdgan.export.card import model_card
from dvdgan.export.sampler import CONFIG, WEIGHTS, Sampler
from dvdgan.models.architecture import GeneratorArchitecture
from dvdgan.models.build import generator_architecture
from dvdgan.models.generator import Generator, GeneratorInputs
from dvdgan.models.latent import derive_seed
from dvdgan.models.meta import empty_network
from dvdgan.models.spectral import bake
from dvdgan.models.standing_statistics import recompute_statistics
from dvdgan.progress import track
from dvdgan.storage.local import atomic_directory, write_json
from dvdgan.storage.tensors import save_tensors

if TYPE_CHECKING:
    from dvdgan.config.schema import Clip, Model


# The fact of a bundle that says how its standing statistics were made.
STANDING = "standing statistics"

# Of the latents, labels and frames that standing statistics are made of.
STANDING_SEED = derive_seed("standing statistics")


@dataclass(frozen=True)
class Origin:
    """What a bundle is made from, beside the weights."""

    architecture: GeneratorArchitecture
    classes: list[str]
    class_labels: Tensor
    """(videos,) labels of the training split: standing statistics follow their frequencies."""
    fps: float
    """Frames per second of a generated clip: the source's, divided by the stride."""
    conditioning: ConditioningFrames | None = None
    """Training clips to continue for the standing statistics, in prediction."""

    @classmethod
    def of(cls, dataset: ClipDataset, model: "Model", clip: "Clip") -> "Origin":
        """The origin of every model trained on ``dataset`` (the training split)."""
        given = model.conditioning_frames
        return cls(
            generator_architecture(model, clip, len(dataset.classes)),
            dataset.classes,
            torch.tensor(dataset.labels),
            dataset.clip_fps,
            ConditioningFrames(dataset, STANDING_SEED, given) if given else None,
        )


@dataclass(frozen=True)
class Standing:
    """How standing statistics are computed: training-mode forwards and clips in each."""

    batches: int = 16
    batch_size: int = 16

    def __str__(self) -> str:
        return f"{self.batches} forwards of {self.batch_size} clips"


def trained_sampler(
    average: Path, origin: Origin, standing: Standing, device: str = "cpu"
) -> Sampler:
    """The averaged generator of a checkpoint (its average.safetensors), ready to sample."""
    generator = empty_network(lambda: Generator(origin.architecture), device)
    generator.load_state_dict(load_file(average))
    return sampler_of(generator, origin, standing)


def untrained_sampler(origin: Origin, standing: Standing, device: str = "cpu") -> Sampler:
    """The same generator before its first step: a control for the metrics."""
    torch.manual_seed(derive_seed("untrained generator"))
    return sampler_of(Generator(origin.architecture).to(device), origin, standing)


def sampler_of(generator: Generator, origin: Origin, standing: Standing) -> Sampler:
    """``generator``, which is changed in place, ready to sample: standing statistics, spectral norm
    baked in."""
    device = next(generator.parameters()).device
    batches = _standing_batches(origin, standing)
    shown = track(batches, "standing statistics", standing.batches, "forwards")
    recompute_statistics(generator, (inputs.to(device) for inputs in shown))
    bake(generator)
    return Sampler(generator, origin.classes, origin.fps)


def write_bundle(sampler: Sampler, origin: Origin, facts: dict[str, Any], folder: Path) -> None:
    """Write weights, config.json and the model card to ``folder``, all or nothing.

    ``facts`` (step, fingerprint, data set, ...) go into config.json and the card.
    """
    config = {
        "format": "dvdgan model bundle 1",
        "generator": asdict(origin.architecture),
        "classes": origin.classes,
        "fps": origin.fps,
        "facts": facts,
    }
    with atomic_directory(folder) as aside:
        save_tensors(sampler.generator.state_dict(), aside / WEIGHTS)
        write_json(aside / CONFIG, config)
        (aside / "README.md").write_text(model_card(config), encoding="utf-8")


def _standing_batches(origin: Origin, standing: Standing) -> Iterator[GeneratorInputs]:
    """Untruncated latents, labels as frequent as in the data, frames: always the same."""
    draws = torch.Generator().manual_seed(STANDING_SEED)
    size = standing.batch_size
    for number in range(standing.batches):
        latents = torch.randn(size, origin.architecture.latent_dim, generator=draws)
        picks = torch.randint(len(origin.class_labels), (size,), generator=draws)
        given = None
        if origin.conditioning is not None:
            given = origin.conditioning[number * size : (number + 1) * size] / 127.5 - 1
        yield GeneratorInputs(latents, origin.class_labels[picks], given)
