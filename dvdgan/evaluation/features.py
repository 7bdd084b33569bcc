"""Features of clips by a feature network, with simple pixel statistics: a row per clip."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.progress import Progress
from dvdgan.storage.local import atomic_file
from dvdgan.storage.reading import reading
from dvdgan.storage.tensors import load_tensors, save_tensors

# Clips per forward. Fixed, so that features do not depend on the batches that clips arrive in.
BATCH_SIZE = 16


# The fields with a row of numbers for each clip.
WIDE = ("pooled", "logits")


@dataclass(frozen=True)
class ClipFeatures:
    """One row per clip: outputs of the network, label, pixel statistics."""

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
        """The clips at the indices ``chosen`` (int64), or where it is True (bool)."""
        return ClipFeatures(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def save(self, path: Path) -> None:
        """Write one safetensors file with a tensor per field."""
        tensors = {field.name: getattr(self, field.name).contiguous() for field in fields(self)}
        with atomic_file(path) as aside:
            save_tensors(tensors, aside)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what save wrote; UserError when the file is missing or damaged."""
        if not path.is_file():
            raise UserError("clip features are missing", where=str(path), todo="run `dvc repro`")
        tensors = load_tensors(path)
        with reading(path, "a file of clip features"):
            found = cls(**tensors)
            for field in fields(cls):
                tensor, axes = getattr(found, field.name), 2 if field.name in WIDE else 1
                kind = torch.int64 if field.name == "labels" else torch.float32
                if tensor.dtype != kind or tensor.ndim != axes or len(tensor) != len(found):
                    shape = tuple(tensor.shape)
                    raise ValueError(f"{field.name} is {tensor.dtype} of shape {shape}")
        return found

    @classmethod
    def join(cls, parts: list["ClipFeatures"]) -> Self:
        """All rows of ``parts``, in order."""
        return cls(
            *(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls))
        )


def extract(
    network: FeatureNetwork, batches: Iterable[tuple[Tensor, Tensor]], total: int, label: str
) -> ClipFeatures:
    """Features of all clips of ``batches``; see stream for the arguments."""
    parts = list(stream(network, batches, total, label))
    if not parts:
        raise UserError(f"{label}: there are no clips", todo="check the split and the data set")
    return ClipFeatures.join(parts)


def stream(
    network: FeatureNetwork, batches: Iterable[tuple[Tensor, Tensor]], total: int, label: str
) -> Iterator[ClipFeatures]:
    """Features of clips in batches of BATCH_SIZE, whatever the sizes of ``batches``.

    batches: clips (B, T, 3, H, W) uint8 with labels (B,) int64. ``total`` and ``label`` are for the
    progress line.
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
