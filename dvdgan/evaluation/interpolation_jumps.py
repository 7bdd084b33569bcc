"""Does the generator glide or jump from one video to another? One that memorises jumps.

Paper B.2 sees abrupt jumps in rows of interpolations (Fig. 11) and smooth transitions in others
(Fig. 8); here each row becomes a number.
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
    """What makes the videos: dvdgan.export.sampler.Sampler does."""

    def interpolate_latents(
        self, label: int, seed: int, numbers: tuple[int, int], steps: int
    ) -> Tensor: ...

    def interpolate_classes(
        self, labels: tuple[int, int], seed: int, number: int, steps: int
    ) -> Tensor: ...


def latent_lines(sampler: Interpolates, labels: Tensor, seed: int, videos: int) -> Iterator[Tensor]:
    """Within a class, a line for each label (N,): from video 2i to video 2i + 1 of ``seed``.

    Yields uint8 (videos, T, 3, H, W); the ends are those two videos (paper Figs. 8, 18, 19).
    """
    for line, label in enumerate(labels.tolist()):
        yield sampler.interpolate_latents(label, seed, (2 * line, 2 * line + 1), videos)


def class_lines(sampler: Interpolates, pairs: Tensor, seed: int, videos: int) -> Iterator[Tensor]:
    """Between classes, a line for each pair of labels (N, 2): video i of ``seed`` in both.

    Yields uint8 (videos, T, 3, H, W) of one latent each (paper Figs. 9, 20).
    """
    for line, (first, last) in enumerate(pairs.tolist()):
        yield sampler.interpolate_classes((first, last), seed, line, videos)


def interpolation_steps(
    lines: Iterable[Tensor], network: Callable[[Tensor], Activations], total: int
) -> Tensor:
    """How far neighbours on each line are apart in pooled features: (lines, videos - 1) float64.

    ``lines`` yields ``total`` times uint8 (videos, T, 3, H, W).
    """
    steps = []
    for line in track(lines, "interpolations", total, "lines"):
        pooled = network(line).pooled.to(torch.float64)
        steps.append((pooled[1:] - pooled[:-1]).norm(dim=1))
    return torch.stack(steps)


@dataclass(frozen=True)
class Jumps:
    """How much of the way the largest step takes, over many lines."""

    score: float | None
    """Median over lines of largest step / mean step: 1 is even, videos - 1 a single jump."""
    interval: tuple[float, float] | None
    """The 95% interval of that median; None for fewer than 6 lines."""
    videos: int
    """On each line, the ends included."""
    lines: int
    still: int
    """Lines without any step, which have no score: there the generator ignores its latent."""

    @classmethod
    def of(cls, steps: Tensor) -> "Jumps":
        """Score ``steps`` (lines, videos - 1); the score is None when every line stands still."""
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
    """The 95% interval of a median from order statistics, whatever ``values`` (n,) are drawn from.

    The k-th smallest and the k-th largest, with k as large as P(Binomial(n, 1/2) < k) <= 2.5%
    allows; below 6 values there is none.
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
