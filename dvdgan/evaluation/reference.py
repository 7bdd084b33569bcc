"""What generated clips are compared with: statistics of real ones, and how they were taken."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.moments import Moments, load_moments, save_moments
from dvdgan.storage.local import atomic_file, read_json, write_json

DESCRIPTION_FILE, MEAN_CLIP_FILE = "reference.json", "mean_clip.safetensors"

# Real clips whose own features are kept, for drift reports and controls; moments use all of them.
KEPT_CLIPS = 2048


@dataclass(frozen=True)
class Description:
    """How the real clips were taken; two sets of statistics compare only when these are equal."""

    network: str
    weights_sha256: str
    resolution: int
    frames: int
    stride: int
    clips_per_video: int


@dataclass(frozen=True)
class RealReference:
    """Moments of the real clips of one split."""

    description: Description
    split: str
    pooled: Moments
    logits: Moments

    @property
    def clips(self) -> int:
        """How many real clips the moments are made of."""
        return self.pooled.count

    @classmethod
    def load(cls, folder: Path, split: str) -> Self:
        """Read one split's statistics; UserError when they are missing."""
        moments = load_moments(folder / f"{split}.safetensors")
        described = read_json(folder / DESCRIPTION_FILE)["description"]
        return cls(Description(**described), split, moments["pooled"], moments["logits"])


class RealStatistics:
    """Collects one split's moments, and the features of at most KEPT_CLIPS clips evenly spread.

    ``total`` is the number of clips to come.
    """

    def __init__(self, total: int) -> None:
        kept = min(total, KEPT_CLIPS)
        self._chosen = torch.zeros(total, dtype=torch.bool)
        self._chosen[torch.arange(kept) * total // max(kept, 1)] = True
        self._kept: list[ClipFeatures] = []
        self._moments: dict[str, Moments] = {}
        self.count = 0

    def add(self, batch: ClipFeatures) -> None:
        """Take the next clips."""
        self._kept.append(batch.rows(self._chosen[self.count : self.count + len(batch)]))
        self.count += len(batch)
        for name, features in (("pooled", batch.pooled), ("logits", batch.logits)):
            fresh = Moments.of(features)
            known = self._moments.get(name)
            self._moments[name] = known.merge(fresh) if known else fresh

    def save(self, folder: Path, split: str) -> None:
        """Write SPLIT.safetensors (moments) and SPLIT_clips.safetensors (kept clips)."""
        if not self.count:
            raise UserError(
                f"the {split} split holds no clips", todo="lower index.test_fraction or add videos"
            )
        save_moments(folder / f"{split}.safetensors", self._moments)
        ClipFeatures.join(self._kept).save(folder / f"{split}_clips.safetensors")


class MeanClip:
    """The per-pixel mean of all clips that pass: the blurred answer that knows no motion."""

    def __init__(self) -> None:
        self._sum: Tensor | None = None
        self._count = 0

    def watch(self, batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield ``batches``, uint8 clips (B, T, 3, H, W) and labels, as they are; add them up."""
        for clips, labels in batches:
            # Whole numbers: the sum is exact and knows no order.
            fresh = clips.to(torch.int64).sum(0)
            self._sum = fresh if self._sum is None else self._sum + fresh
            self._count += len(clips)
            yield clips, labels

    def save(self, folder: Path) -> None:
        """Write the rounded mean as uint8 (T, 3, H, W)."""
        if self._sum is None:
            raise UserError("there are no clips to average", todo="add videos")
        mean = (self._sum.to(torch.float64) / self._count).round().to(torch.uint8)
        with atomic_file(folder / MEAN_CLIP_FILE) as aside:
            save_file({"mean_clip": mean}, aside)


def load_mean_clip(folder: Path) -> Tensor:
    """The mean training clip, uint8 (T, 3, H, W)."""
    return load_file(folder / MEAN_CLIP_FILE)["mean_clip"]


def save_description(folder: Path, description: Description, clips: dict[str, int]) -> None:
    """Write reference.json; ``clips`` counts the clips of each split."""
    write_json(folder / DESCRIPTION_FILE, {"description": asdict(description), "clips": clips})
