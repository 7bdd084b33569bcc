"""Model bundles: averaged weights, standing statistics, baked spectral norm, card and picture."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dvdgan.data.dataset import ClipDataset
from dvdgan.data.random_clips import ConditioningFrames
from dvdgan.export.card import PICTURE, BundleMetric, model_card
from dvdgan.export.sample_files import encoded
from dvdgan.export.sample_grid import SampleGrid
from dvdgan.export.sampler import CONFIG, WEIGHTS, Sampler
from dvdgan.export.sampling import Draws, class_samples
from dvdgan.models.architecture import GeneratorArchitecture
from dvdgan.models.build import generator_architecture
from dvdgan.models.generator import Generator, GeneratorInputs
from dvdgan.models.latent import derive_seed
from dvdgan.models.meta import filled_network
from dvdgan.models.spectral import bake
from dvdgan.models.standing_statistics import recompute_statistics
from dvdgan.progress import track
from dvdgan.storage.local import atomic_directory, write_json
from dvdgan.storage.reading import reading
from dvdgan.storage.tensors import load_tensors, save_tensors

if TYPE_CHECKING:
    from dvdgan.config.schema import Clip, Model


# The key, among a bundle's facts, of how its standing statistics were computed.
STANDING = "standing statistics"

# For the latents, labels and frames of standing statistics.
STANDING_SEED = derive_seed("standing statistics")

# What the card's picture shows, and the least side of a clip in it, pixels.
PICTURED_CLASSES, PICTURED_CLIPS, PICTURED_SIDE = 4, 4, 96


@dataclass(frozen=True)
class BundleSource:
    """The contents of a bundle besides the weights."""

    architecture: GeneratorArchitecture
    classes: list[str]
    class_labels: Tensor
    """(videos,) labels of the training split; standing statistics use their frequencies."""
    fps: float
    """Frames per second of a generated clip: those of the videos, divided by the stride."""
    conditioning: ConditioningFrames | None = None
    """In frame prediction, training clips to continue for the standing statistics."""

    @classmethod
    def of(cls, dataset: ClipDataset, model: "Model", clip: "Clip") -> "BundleSource":
        """For a model trained on ``dataset``, the training split."""
        given = model.conditioning_frames
        return cls(
            generator_architecture(model, clip, len(dataset.classes)),
            dataset.classes,
            torch.tensor(dataset.labels),
            dataset.clip_fps,
            ConditioningFrames(dataset, STANDING_SEED, given) if given else None,
        )


@dataclass(frozen=True)
class StandingStatistics:
    """How standing statistics are computed: training-mode forwards, and clips in each."""

    batches: int = 16
    batch_size: int = 16

    def __str__(self) -> str:
        return f"{self.batches} forwards of {self.batch_size} clips"


def trained_sampler(
    average: Path, source: BundleSource, standing: StandingStatistics, device: str = "cpu"
) -> Sampler:
    """A sampler of a checkpoint's averaged generator (its average.safetensors)."""
    tensors = load_tensors(average)
    with reading(average, "of this generator"):
        generator = filled_network(lambda: Generator(source.architecture), tensors, device)
    return sampler_of(generator, source, standing)


def untrained_sampler(
    source: BundleSource, standing: StandingStatistics, device: str = "cpu"
) -> Sampler:
    """A sampler of the same generator before its first step: a control for the metrics."""
    torch.manual_seed(derive_seed("untrained generator"))
    return sampler_of(Generator(source.architecture).to(device), source, standing)


def sampler_of(generator: Generator, source: BundleSource, standing: StandingStatistics) -> Sampler:
    """A sampler of ``generator``, after standing statistics and baking; changes it in place."""
    device = next(generator.parameters()).device
    batches = _standing_batches(source, standing)
    shown = track(batches, "standing statistics", standing.batches, "forwards")
    recompute_statistics(generator, (inputs.to(device) for inputs in shown))
    bake(generator)
    return Sampler(generator, source.classes, source.fps)


def write_bundle(
    sampler: Sampler,
    source: BundleSource,
    facts: dict[str, Any],
    folder: Path,
    metrics: Sequence[BundleMetric] = (),
) -> None:
    """Write weights, config.json, the model card and a picture to ``folder``, atomically.

    ``facts`` (step, fingerprint, data set, ...) and ``metrics`` are listed in config.json and the
    card. A model that predicts frames has no picture: it would show frames of training videos.
    """
    config = {
        "format": "dvdgan model bundle 1",
        "generator": asdict(source.architecture),
        "classes": source.classes,
        "fps": source.fps,
        "facts": facts,
        "metrics": [asdict(each) for each in metrics if math.isfinite(each.value)],
    }
    with atomic_directory(folder) as aside:
        save_tensors(sampler.generator.state_dict(), aside / WEIGHTS)
        write_json(aside / CONFIG, config)
        (aside / "README.md").write_text(model_card(config), encoding="utf-8")
        if not sampler.conditioning_frames:
            (aside / PICTURE).write_bytes(_picture(sampler))


def _picture(sampler: Sampler) -> bytes:
    """An animation of random clips, with a row for each of the first classes."""
    draws = Draws([0], PICTURED_CLIPS)
    samples = class_samples(sampler, sampler.classes[:PICTURED_CLASSES], draws)
    scale = max(1, PICTURED_SIDE // sampler.resolution)
    return encoded(samples, SampleGrid(PICTURED_CLIPS, scale), Path(PICTURE).suffix)


def _standing_batches(
    source: BundleSource, standing: StandingStatistics
) -> Iterator[GeneratorInputs]:
    """Untruncated latents, labels at the data's frequencies, frames; always the same."""
    random = torch.Generator().manual_seed(STANDING_SEED)
    size = standing.batch_size
    for number in range(standing.batches):
        latents = torch.randn(size, source.architecture.latent_dim, generator=random)
        picks = torch.randint(len(source.class_labels), (size,), generator=random)
        given = None
        if source.conditioning is not None:
            given = source.conditioning[number * size : (number + 1) * size] / 127.5 - 1
        yield GeneratorInputs(latents, source.class_labels[picks], given)
