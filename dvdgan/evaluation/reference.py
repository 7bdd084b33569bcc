"""What generated clips are compared with: statistics of real ones, and how they were taken."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load_file
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.moments import Moments, load_moments, save_moments
from dvdgan.storage.local import atomic_file, read_json, write_json
from dvdgan.storage.tensors import save_tensors
from dvdgan.video.preprocessing import Preprocessing

DESCRIPTION_FILE, MEAN_CLIP_FILE = "reference.json", "mean_clip.safetensors"


def evenly(total: int, count: int) -> Tensor:
    """``count`` places among ``total`` ones, evenly spread: (count,) int64."""
    return torch.arange(count) * total // max(count, 1)


def data_mark(fingerprint: str) -> str:
    """16 hex digits that tell a source of real clips, by its ``fingerprint``, from others."""
    return hashlib.sha256(fingerprint.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Description:
    """How the real clips were taken; two sets of statistics compare only when these are equal."""

    protocol: str
    """One of dvdgan.protocols."""
    data: str
    """data_mark of the real clips."""
    network: str
    weights_sha256: str
    value_range: str
    resize: str
    resolution: int
    frames: int
    stride: int
    clips_per_video: int
    preprocessing: Preprocessing | None = None
    """None in statistics of an older version, which did not keep it."""

    @classmethod
    def from_json(cls, described: dict[str, Any]) -> Self:
        """What reference.json holds."""
        done = described.get("preprocessing")
        known = {"preprocessing": None if done is None else Preprocessing(**done)}
        return cls(**described | known)


@dataclass(frozen=True)
class RealReference:
    """Moments of the real clips of one split, and the features of some."""

    description: Description
    split: str
    pooled: Moments
    logits: Moments
    kept: ClipFeatures
    """Of clips evenly spread over the split: all of them where they are few."""

    @property
    def clips(self) -> int:
        """How many real clips the moments are made of."""
        return self.pooled.count

    @property
    def kept_videos(self) -> Tensor:
        """(N,) int64: of which video of the split each kept clip is."""
        places = evenly(self.clips, len(self.kept))
        return places // self.description.clips_per_video

    @classmethod
    def load(cls, folder: Path, split: str) -> Self:
        """Read one split's statistics; UserError when they are missing."""
        moments = load_moments(folder / f"{split}.safetensors")
        description = Description.from_json(read_json(folder / DESCRIPTION_FILE)["description"])
        kept = ClipFeatures.load(folder / f"{split}_clips.safetensors")
        return cls(description, split, moments["pooled"], moments["logits"], kept)

    @classmethod
    def load_all(cls, folder: Path, fewest: int) -> dict[str, Self]:
        """The statistics of the train split, and of the test split if it has ``fewest`` clips."""
        found = {"train": cls.load(folder, "train")}
        if (folder / "test.safetensors").is_file():
            test = cls.load(folder, "test")
            if test.clips >= fewest:
                found["test"] = test
        return found


class RealStatistics:
    """Collects one split's moments, and the features of at most ``keep`` clips evenly spread.

    ``total`` is the number of clips to come.
    """

    def __init__(self, total: int, keep: int) -> None:
        kept = min(total, keep)
        self._chosen = torch.zeros(total, dtype=torch.bool)
        self._chosen[evenly(total, kept)] = True
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

    def reference(self, description: Description, split: str) -> RealReference:
        """What was collected of one clip or more, without a detour through files."""
        kept = ClipFeatures.join(self._kept)
        return RealReference(
            description, split, self._moments["pooled"], self._moments["logits"], kept
        )


def save_mean_clip(path: Path, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Write the per-pixel mean of clips, rounded, as uint8 (T, 3, H, W).

    The blurred answer that knows no motion. ``batches``: uint8 clips (B, T, 3, H, W) and labels.
    Raises UserError without clips.
    """
    total, count = torch.tensor(0), 0
    for clips, _ in batches:
        # Whole numbers: the sum is exact and knows no order.
        total = total + clips.to(torch.int64).sum(0)
        count += len(clips)
    if not count:
        raise UserError("there are no clips to average", todo="add videos")
    mean = (total.to(torch.float64) / count).round().to(torch.uint8)
    with atomic_file(path) as aside:
        save_tensors({"mean_clip": mean}, aside)


def load_mean_clip(path: Path) -> Tensor:
    """The mean training clip, uint8 (T, 3, H, W)."""
    return load_file(path)["mean_clip"]


def save_description(folder: Path, description: Description, clips: dict[str, int]) -> None:
    """Write reference.json; ``clips`` counts the clips of each split."""
    write_json(folder / DESCRIPTION_FILE, {"description": asdict(description), "clips": clips})
