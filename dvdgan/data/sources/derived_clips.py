"""Clips that are made of other clips: controls for the metrics."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from torch import Tensor

from dvdgan.data.random_clips import ConditioningFrames
from dvdgan.data.sources.clip_source import SourceClips


class Readable(Protocol):
    """As much of a ClipSource as features need."""

    def __len__(self) -> int: ...
    def read(self, start: int, stop: int) -> SourceClips: ...
    def fingerprint(self) -> str: ...


@dataclass(frozen=True)
class TransformedClips:
    """Every clip of ``source``, changed by ``transform``."""

    source: Readable
    transform: Callable[[Tensor, int], Tensor]
    """(clips (N, T, 3, H, W) uint8, the place of the first one) -> clips of the same shape."""
    name: str
    """Distinguishes ``transform`` from others in the fingerprint."""

    def __len__(self) -> int:
        return len(self.source)

    def read(self, start: int, stop: int) -> SourceClips:
        clips, labels, refused = self.source.read(start, stop)
        return SourceClips(self.transform(clips, start), labels, refused)

    def fingerprint(self) -> str:
        return f"{self.name} of {self.source.fingerprint()}"


@dataclass(frozen=True)
class RepeatedClip:
    """One clip for all labels."""

    clip: Tensor
    """(T, 3, H, W) uint8."""
    labels: Tensor
    """(N,) int64."""

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, start: int, stop: int) -> SourceClips:
        labels = self.labels[start:stop]
        return SourceClips(self.clip.expand(len(labels), *self.clip.shape), labels, [])

    def fingerprint(self) -> str:
        digest = sha256(self.clip.numpy().tobytes())
        digest.update(self.labels.numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class ContinuedClips:
    """The whole real clips whose first frames a predicting model continues."""

    conditioning: ConditioningFrames
    labels: Tensor
    """(N,) int64, of clips 0 .. N - 1."""

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, start: int, stop: int) -> SourceClips:
        clips, labels = self.conditioning.clips(slice(start, min(stop, len(self))))
        return SourceClips(clips, labels, [])

    def fingerprint(self) -> str:
        return f"{self.conditioning.fingerprint()} {len(self)}"
