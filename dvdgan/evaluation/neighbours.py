"""Is it memorising? Nearest training clips of samples, and whether they are nearer than chance.

Paper B.2 finds samples of its UCF-101 model "highly correlated" with training clips by looking.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.evaluation.distances import squared_distances

NEAR_QUANTILE = 0.05
# Memorising is what is surely not chance and large as well: with thousands of clips any difference
# is sure, and with a few people in a data set unseen ones differ.
CHANCE_Z, ALIKE = -3.0, 0.75


class Neighbours(NamedTuple):
    """For each query its nearest vectors of a bank, nearest first."""

    distances: Tensor
    """(N, count) float64, Euclidean."""
    places: Tensor
    """(N, count) int64: rows of the bank."""


def nearest(queries: Tensor, bank: Tensor, count: int = 1) -> Neighbours:
    """The ``count`` nearest rows of ``bank`` (M, D) to each row of ``queries`` (N, D).

    Exhaustive, in float64. Which rows are nearest is right wherever squared distances differ by
    more than 1e-12 of the largest squared distance from the bank's mean; the distances themselves
    are computed from differences and exact to rounding, 0 for a copy. Among those found, equally
    near ones come in the bank's order. Raises ValueError for a bank of fewer rows than ``count``.
    """
    if len(bank) < count:
        raise ValueError(f"{len(bank)} vectors have no {count} nearest")
    parts = []
    for block, squares in squared_distances(queries, bank):
        places = squares.topk(count, largest=False).indices.sort(1).values
        gaps = queries[block, None].to(torch.float64) - bank[places].to(torch.float64)
        distances, order = gaps.norm(dim=2).sort(dim=1, stable=True)
        parts.append(Neighbours(distances, places.gather(1, order)))
    return Neighbours(*map(torch.cat, zip(*parts, strict=True)))


@dataclass(frozen=True)
class Copying:
    """How the distances of samples to training clips compare with those of real test clips."""

    samples: int
    real: int
    nearer: float
    """Chance that a sample lies nearer to the training set than a real test clip; 0.5 when alike,
    1 when all samples do."""
    z: float
    """Deviation of that rank comparison from 0.5, in standard deviations: Z_U of Meehan, Chaudhuri
    & Dasgupta 2020. Far below 0 the samples are too near."""
    near_share: float
    """Share of samples nearer than the nearest 5% of real test clips; 0.05 when alike. Shows a few
    copies among many samples, which the ranks do not."""

    @property
    def memorising(self) -> bool:
        """Whether samples lie nearer than chance allows (z below -3), three times out of four.

        z takes clips for independent draws; with several of each video it exaggerates. Copies that
        the network sees as something else, such as blurred ones, are not found.
        """
        return self.z < CHANCE_Z and self.nearer > ALIKE


def copying(samples: Tensor, real: Tensor) -> Copying:
    """Compare distances to the nearest training clip, of samples (N,) and real test clips (M,).

    Both sets are measured against the same training clips by the same network. Raises UserError
    when one is empty.
    """
    if not (len(samples) and len(real)):
        raise UserError(
            "memorising cannot be told without samples and real test clips",
            todo="raise index.test_fraction or evaluate.samples",
        )
    n, m = len(samples), len(real)
    ordered = real.to(torch.float64).sort().values
    found = samples.to(torch.float64).contiguous()  # searchsorted warns otherwise
    below = torch.searchsorted(ordered, found).sum()
    up_to = torch.searchsorted(ordered, found, right=True).sum()
    # Pairs in which the sample is the farther one; equal distances count half.
    farther = float(below + up_to) / 2
    z = (farther - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    near = (found < torch.quantile(ordered, NEAR_QUANTILE)).double().mean()
    return Copying(n, m, 1 - farther / (n * m), z, float(near))
