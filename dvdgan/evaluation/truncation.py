"""Fidelity against variety: FID and IS as latents are drawn nearer to their mean (paper 4.4)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from dvdgan.models.latent import Truncation

Batches = Iterator[tuple[Tensor, Tensor]]


class Streams(Protocol):
    """What makes the clips: dvdgan.export.sampler.Sampler does."""

    def stream(
        self, labels: Tensor, seed: int, *, truncation: Truncation | None = None
    ) -> Batches: ...


@dataclass(frozen=True)
class TruncationPoint:
    """What a metric says of clips from truncated latents."""

    truncation: Truncation
    fid: float
    inception_score: float


def truncation_curve(
    sampler: Streams,
    labels: Tensor,
    seed: int,
    truncations: Sequence[Truncation],
    measure: Callable[[Batches, str], tuple[float, float]],
) -> list[TruncationPoint]:
    """FID and IS at each truncation, for the same labels (N,) and latents: z, then nearer to 0.

    ``measure`` takes clips uint8 (B, T, 3, H, W) with labels (B,) as they come, and words for a
    progress line; it answers FID and IS. Points come as ``truncations`` do.
    """
    points = []
    for each in truncations:
        clips = sampler.stream(labels, seed, truncation=each)
        points.append(TruncationPoint(each, *measure(clips, f"truncated at {each.level:g}")))
    return points
