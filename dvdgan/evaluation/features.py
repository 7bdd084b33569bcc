"""Features and statistics of clips, by a network that is known by its weights."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.evaluation.small_i3d import Activations, SmallI3D, scaled
from dvdgan.progress import Progress
from dvdgan.storage.local import (
    atomic_directory,
    atomic_file,
    read_json,
    sha256_of_file,
    write_json,
)

# Clips per forward. Fixed, so that features do not depend on how clips arrive.
BATCH_SIZE = 16

NETWORK = "small_i3d"
WEIGHTS_FILE, CONFIG_FILE = "network.safetensors", "config.json"


@dataclass(frozen=True)
class FeatureNetwork:
    """A feature network and its identity: which weights, which classes, how good it is."""

    network: SmallI3D
    classes: list[str]
    width: int
    weights_sha256: str
    test_accuracy: float | None
    """Share of test clips it classifies rightly; None when there was no test split."""

    def __call__(self, clips: Tensor) -> Activations:
        """Clips (B, T, 3, H, W) uint8 -> pooled (B, 8 x width) and logits (B, classes), float32.

        The results come back on the CPU. Raises ValueError for anything but uint8 RGB clips.
        """
        if clips.dtype != torch.uint8 or clips.ndim != 5 or clips.shape[2] != 3:
            raise ValueError(
                "clips must be uint8 with shape (B, T, 3, H, W), but are "
                f"{clips.dtype} with shape {tuple(clips.shape)}"
            )
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            pooled, logits = self.network(scaled(clips.to(device)))
        return Activations(pooled.cpu(), logits.cpu())

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        """Read what save_feature_network wrote; UserError if it is missing or was altered."""
        weights, config_file = folder / WEIGHTS_FILE, folder / CONFIG_FILE
        if not (weights.is_file() and config_file.is_file()):
            raise UserError(
                "there is no feature network", where=str(folder), todo="run `dvdgan features` first"
            )
        config = read_json(config_file)
        if sha256_of_file(weights) != config["sha256"]:
            raise UserError(
                f"{weights} is not the file that {config_file} describes",
                where=f"expected sha256 {config['sha256']}",
                todo="run `dvdgan features` again",
            )
        network = SmallI3D(len(config["classes"]), config["width"])
        network.load_state_dict(load_file(weights))
        return cls(
            network=network.eval().to(device),
            classes=config["classes"],
            width=config["width"],
            weights_sha256=config["sha256"],
            test_accuracy=config["test_accuracy"],
        )


def save_feature_network(
    folder: Path, network: SmallI3D, classes: list[str], width: int, test_accuracy: float | None
) -> None:
    """Write network.safetensors and config.json into ``folder``, whole or not at all."""
    with atomic_directory(folder) as aside:
        save_file(network.state_dict(), aside / WEIGHTS_FILE)
        config = {
            "network": NETWORK,
            "classes": classes,
            "width": width,
            "sha256": sha256_of_file(aside / WEIGHTS_FILE),
            "test_accuracy": test_accuracy,
        }
        write_json(aside / CONFIG_FILE, config)


@dataclass(frozen=True)
class ClipFeatures:
    """One row per clip: what the network says, what was asked for, how the pixels behave."""

    pooled: Tensor
    """(N, D) float32."""
    logits: Tensor
    """(N, classes) float32."""
    labels: Tensor
    """(N,) int64."""
    motion: Tensor
    """(N,) float32: mean absolute difference of neighbouring frames, in grey levels 0..255."""
    brightness: Tensor
    """(N,) float32: mean level, 0..255."""
    contrast: Tensor
    """(N,) float32: standard deviation of the levels."""

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, chosen: Tensor) -> "ClipFeatures":
        """The clips at the places ``chosen`` (int64) or where it is true (bool)."""
        return ClipFeatures(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def save(self, path: Path) -> None:
        """Write one safetensors file with a tensor per field."""
        tensors = {field.name: getattr(self, field.name).contiguous() for field in fields(self)}
        with atomic_file(path) as aside:
            save_file(tensors, aside)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what save wrote; UserError when the file is missing."""
        if not path.is_file():
            raise UserError("clip features are missing", where=str(path), todo="run `dvc repro`")
        return cls(**load_file(path))

    @classmethod
    def join(cls, parts: list["ClipFeatures"]) -> Self:
        """All rows of ``parts``, in order."""
        return cls(
            *(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls))
        )


def extract(
    network: FeatureNetwork, batches: Iterable[tuple[Tensor, Tensor]], total: int, label: str
) -> ClipFeatures:
    """Features of all clips that ``batches`` yields; see stream for the arguments."""
    parts = list(stream(network, batches, total, label))
    if not parts:
        raise UserError(f"{label}: there are no clips", todo="check the split and the data set")
    return ClipFeatures.join(parts)


def stream(
    network: FeatureNetwork, batches: Iterable[tuple[Tensor, Tensor]], total: int, label: str
) -> Iterator[ClipFeatures]:
    """Features of clips in batches of BATCH_SIZE, however many ``batches`` holds at a time.

    batches: clips (B, T, 3, H, W) uint8 with labels (B,) int64; ``total`` clips are announced on
    the progress line under ``label``.
    """
    with Progress(label, total, "clips") as progress:
        for clips, labels in _rebatched(batches):
            pooled, logits = network(clips)
            yield ClipFeatures(
                pooled, logits, labels.to(torch.int64).cpu(), *clip_statistics(clips)
            )
            progress.advance(len(clips))


def clip_statistics(clips: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Motion, brightness and contrast of clips (B, T, 3, H, W) uint8; each (B,) float32."""
    levels = clips.to(torch.float32).cpu()
    motion = (levels[:, 1:] - levels[:, :-1]).abs().flatten(1).mean(1)
    contrast, brightness = torch.std_mean(levels.flatten(1), dim=1, correction=0)
    return motion, brightness, contrast


def _rebatched(batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    clips: list[Tensor] = []
    labels: list[Tensor] = []
    for more_clips, more_labels in batches:
        clips += more_clips
        labels += more_labels
        while len(clips) >= BATCH_SIZE:
            yield torch.stack(clips[:BATCH_SIZE]), torch.stack(labels[:BATCH_SIZE])
            del clips[:BATCH_SIZE], labels[:BATCH_SIZE]
    if clips:
        yield torch.stack(clips), torch.stack(labels)
