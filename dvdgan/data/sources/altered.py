"""Clips that are made of other clips: controls for the metrics."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from torch import Tensor

from dvdgan.data.random_clips import ConditioningFrames
from dvdgan.data.sources.clip_source import Clips


class Readable(Protocol):
    """As much of a ClipSource as features need."""

    def __len__(self) -> int: ...
    def read(self, start: int, stop: int) -> Clips: ...
    def fingerprint(self) -> str: ...


@dataclass(frozen=True)
class Altered:
    """Every clip of ``source`` changed by ``alter``, which is told the number of the first one."""

    source: Readable
    alter: Callable[[Tensor, int], Tensor]
    """(clips (N, T, 3, H, W) uint8, first) -> clips of the same shape."""
    name: str
    """Tells ``alter`` from others, for the fingerprint."""

    def __len__(self) -> int:
        return len(self.source)

    def read(self, start: int, stop: int) -> Clips:
        clips, labels, refused = self.source.read(start, stop)
        return Clips(self.alter(clips, start), labels, refused)

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

    def read(self, start: int, stop: int) -> Clips:
        labels = self.labels[start:stop]
        return Clips(self.clip.expand(len(labels), *self.clip.shape), labels, [])

    def fingerprint(self) -> str:
        digest = sha256(self.clip.numpy().tobytes())
        digest.update(self.labels.numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class ContinuedClips:
    """The real clips whose first frames a predicting model is given, whole."""

    conditioning: ConditioningFrames
    labels: Tensor
    """(N,) int64, of clips 0 .. N - 1."""

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, start: int, stop: int) -> Clips:
        clips, labels = self.conditioning.whole(slice(start, min(stop, len(self))))
        return Clips(clips, labels, [])

    def fingerprint(self) -> str:
        return f"{self.conditioning.fingerprint()} {len(self)}"
