"""Jumps in latent and class interpolations: a generator that memorises does not move smoothly.

Paper B.2 shows abrupt jumps in some rows of interpolations (Fig. 11) and smooth transitions in
others (Fig. 8); here each row gets a score.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import torch
from torch import Tensor

from dvdgan.evaluation.networks.clip_network import Activations
from dvdgan.progress import track

CONFIDENCE = 0.95


class Interpolates(Protocol):
    """Interpolates between videos, as dvdgan.export.sampler.Sampler does."""

    def interpolate_latents(
        self, label: int, seed: int, numbers: tuple[int, int], steps: int
    ) -> Tensor: ...

    def interpolate_classes(
        self, labels: tuple[int, int], seed: int, number: int, steps: int
    ) -> Tensor: ...


def latent_lines(sampler: Interpolates, labels: Tensor, seed: int, videos: int) -> Iterator[Tensor]:
    """Interpolations within a class, one for each label (N,): video 2i to 2i + 1 of ``seed``.

    Yields uint8 (videos, T, 3, H, W); the ends are those two videos (paper Figs. 8, 18, 19).
    """
    for line, label in enumerate(labels.tolist()):
        yield sampler.interpolate_latents(label, seed, (2 * line, 2 * line + 1), videos)


def class_lines(sampler: Interpolates, pairs: Tensor, seed: int, videos: int) -> Iterator[Tensor]:
    """Interpolations between classes, one for each pair of labels (N, 2), of video i of ``seed``.

    Yields uint8 (videos, T, 3, H, W) of one latent each (paper Figs. 9, 20).
    """
    for line, (first, last) in enumerate(pairs.tolist()):
        yield sampler.interpolate_classes((first, last), seed, line, videos)


def interpolation_steps(
    lines: Iterable[Tensor], network: Callable[[Tensor], Activations], total: int
) -> Tensor:
    """Distances of neighbours on each line in pooled features: (lines, videos - 1) float64.

    ``lines`` yields ``total`` tensors, uint8 (videos, T, 3, H, W).
    """
    steps = []
    for line in track(lines, "interpolations", total, "lines"):
        pooled = network(line).pooled.to(torch.float64)
        steps.append((pooled[1:] - pooled[:-1]).norm(dim=1))
    return torch.stack(steps)


@dataclass(frozen=True)
class Jumps:
    """The largest step relative to the mean step, over many lines."""

    score: float | None
    """Median over lines of largest step / mean step: 1 for even steps, videos - 1 for one jump."""
    interval: tuple[float, float] | None
    """The 95% interval of that median; None for fewer than 6 lines."""
    videos: int
    """On each line, including its ends."""
    lines: int
    still: int
    """Lines without any step, on which the generator ignores its latent; they have no score."""

    @classmethod
    def of(cls, steps: Tensor) -> "Jumps":
        """Score ``steps`` (lines, videos - 1); the score is None if no line has a step."""
        moving = steps[steps.sum(1) > 0]
        scores = moving.amax(1) / moving.mean(1)
        return cls(
            score=float(scores.quantile(0.5)) if len(scores) else None,
            interval=median_interval(scores),
            videos=steps.shape[1] + 1,
            lines=len(steps),
            still=len(steps) - len(moving),
        )


def median_interval(values: Tensor) -> tuple[float, float] | None:
    """The 95% interval of a median from order statistics, for any distribution of ``values`` (n,).

    It is the k-th smallest and the k-th largest value, with the largest k for which
    P(Binomial(n, 1/2) < k) <= 2.5%. None below 6 values.
    """
    n, k = len(values), 0
    tail = Fraction(1, 2**n)
    while tail <= (1 - CONFIDENCE) / 2:
        k += 1
        tail += Fraction(math.comb(n, k), 2**n)
    if k == 0:
        return None
    ordered = values.sort().values
    return float(ordered[k - 1]), float(ordered[n - k])
