"""Statistics of real clips that generated clips are compared with, and how they were measured."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.moments import Moments, load_moments, save_moments
from dvdgan.storage.local import atomic_file, read_json, write_json
from dvdgan.storage.reading import reading
from dvdgan.storage.tensors import load_tensors, save_tensors
from dvdgan.video.preprocessing import Preprocessing

# Of a resolution, of frames, and of what else a description counts.
MOST = 2**31

DESCRIPTION_FILE, MEAN_CLIP_FILE = "reference.json", "mean_clip.safetensors"


def evenly_spaced(total: int, count: int) -> Tensor:
    """``count`` evenly spaced indices of ``total`` ones: (count,) int64."""
    return torch.arange(count) * total // max(count, 1)


def data_fingerprint(fingerprint: str) -> str:
    """16 hex digits that identify a source of real clips by its ``fingerprint``."""
    return hashlib.sha256(fingerprint.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Description:
    """How the real clips were read and measured; statistics compare only if these are equal."""

    protocol: str
    """One of dvdgan.protocols."""
    data: str
    """data_fingerprint of the real clips."""
    network: str
    weights_sha256: str
    value_range: str
    resize: str
    resolution: int
    frames: int
    stride: int
    clips_per_video: int
    preprocessing: Preprocessing | None = None
    """None in statistics of an older version."""

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """From the fields of reference.json. Raises TypeError or ValueError for others."""
        saved = fields.get("preprocessing")
        preprocessing = None if saved is None else Preprocessing(**saved)
        found = cls(**fields | {"preprocessing": preprocessing})
        counts = (found.resolution, found.frames, found.stride, found.clips_per_video)
        if not all(type(count) is int and 0 < count < MOST for count in counts):
            raise ValueError(f"resolution, frames, stride, clips per video are {counts}")
        names = (found.protocol, found.data, found.network, found.weights_sha256)
        if not all(isinstance(name, str) for name in (*names, found.value_range, found.resize)):
            raise ValueError(f"protocol, data, network, weights are {names}")
        return found


@dataclass(frozen=True)
class RealReference:
    """Moments of the real clips of one split, and the features of some."""

    description: Description
    split: str
    pooled: Moments
    logits: Moments
    kept: ClipFeatures
    """Of clips evenly spread over the split, or of all."""

    @property
    def clips(self) -> int:
        """Number of real clips that the moments are computed from."""
        return self.pooled.count

    @property
    def kept_videos(self) -> Tensor:
        """(N,) int64: the video of the split that each kept clip is of."""
        places = evenly_spaced(self.clips, len(self.kept))
        return places // self.description.clips_per_video

    @classmethod
    def load(cls, folder: Path, split: str) -> Self:
        """Read one split's statistics; UserError if they are missing or damaged."""
        path = folder / f"{split}.safetensors"
        moments = load_moments(path)
        fields = read_json(folder / DESCRIPTION_FILE)
        with reading(folder / DESCRIPTION_FILE, "a description of real clips"):
            description = Description.from_json(fields["description"])
        kept = ClipFeatures.load(folder / f"{split}_clips.safetensors")
        with reading(path, "the statistics of one set of clips"):
            pooled, logits = moments["pooled"], moments["logits"]
            sizes = [len(each.mean) for each in (pooled, logits)]
            if pooled.count != logits.count or len(kept) > pooled.count:
                raise ValueError(f"{pooled.count}, {logits.count} and {len(kept)} clips")
            if sizes != [kept.pooled.shape[1], kept.logits.shape[1]]:
                raise ValueError(f"{sizes} features")
        return cls(description, split, pooled, logits, kept)

    @classmethod
    def load_all(cls, folder: Path, fewest: int) -> dict[str, Self]:
        """Statistics of the train split, and of the test split if it has ``fewest`` clips."""
        found = {"train": cls.load(folder, "train")}
        if (folder / "test.safetensors").is_file():
            test = cls.load(folder, "test")
            if test.clips >= fewest:
                found["test"] = test
        return found


class RealStatistics:
    """Accumulates one split's moments, and the features of at most ``keep`` evenly spaced clips.

    ``total``: the number of clips that will be added.
    """

    def __init__(self, total: int, keep: int) -> None:
        kept = min(total, keep)
        self._chosen = torch.zeros(total, dtype=torch.bool)
        self._chosen[evenly_spaced(total, kept)] = True
        self._kept: list[ClipFeatures] = []
        self._moments: dict[str, Moments] = {}
        self.count = 0

    def add(self, batch: ClipFeatures) -> None:
        """Add the next clips."""
        self._kept.append(batch.rows(self._chosen[self.count : self.count + len(batch)]))
        self.count += len(batch)
        for name, features in (("pooled", batch.pooled), ("logits", batch.logits)):
            added = Moments.of(features)
            known = self._moments.get(name)
            self._moments[name] = known.merge(added) if known else added

    def save(self, folder: Path, split: str) -> None:
        """Write SPLIT.safetensors (moments) and SPLIT_clips.safetensors (kept clips)."""
        if not self.count:
            raise UserError(
                f"the {split} split contains no clips",
                todo="lower index.test_fraction or add videos",
            )
        save_moments(folder / f"{split}.safetensors", self._moments)
        ClipFeatures.join(self._kept).save(folder / f"{split}_clips.safetensors")

    def reference(self, description: Description, split: str) -> RealReference:
        """The statistics of the added clips, at least one, without writing files."""
        kept = ClipFeatures.join(self._kept)
        return RealReference(
            description, split, self._moments["pooled"], self._moments["logits"], kept
        )


def save_mean_clip(path: Path, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Write the per-pixel mean of clips, rounded, as uint8 (T, 3, H, W): a blurred control.

    ``batches``: uint8 clips (B, T, 3, H, W) and labels.
    Raises UserError without clips.
    """
    total, count = torch.tensor(0), 0
    for clips, _ in batches:
        # Integers: the sum is exact and does not depend on the order.
        total = total + clips.to(torch.int64).sum(0)
        count += len(clips)
    if not count:
        raise UserError("there are no clips to average", todo="add videos")
    mean = (total.to(torch.float64) / count).round().to(torch.uint8)
    with atomic_file(path) as aside:
        save_tensors({"mean_clip": mean}, aside)


def load_mean_clip(path: Path) -> Tensor:
    """The mean training clip, uint8 (T, 3, H, W). Raises DamagedFileError for another file."""
    tensors = load_tensors(path)
    with reading(path, "a mean clip"):
        clip = tensors["mean_clip"]
        if clip.dtype != torch.uint8 or clip.ndim != 4 or clip.shape[1] != 3 or not clip.numel():
            raise ValueError(f"mean_clip is {clip.dtype} of shape {tuple(clip.shape)}")
    return clip


def save_description(folder: Path, description: Description, clips: dict[str, int]) -> None:
    """Write reference.json; ``clips`` counts the clips of each split."""
    write_json(folder / DESCRIPTION_FILE, {"description": asdict(description), "clips": clips})
