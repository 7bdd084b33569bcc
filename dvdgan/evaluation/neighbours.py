"""Nearest training clips of samples, and a test for memorisation.

Paper B.2 finds by eye that samples of its UCF-101 model are "highly correlated" with training
clips.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.evaluation.distances import squared_distances

NEAR_QUANTILE = 0.05
# Memorising means significant and large: with thousands of clips any difference is significant, and
# in a data set of few people the unseen ones differ.
CHANCE_Z, ALIKE = -3.0, 0.75


class Neighbours(NamedTuple):
    """The nearest vectors of a bank for each query, nearest first."""

    distances: Tensor
    """(N, count) float64, Euclidean."""
    places: Tensor
    """(N, count) int64: rows of the bank."""


def nearest(queries: Tensor, bank: Tensor, count: int = 1) -> Neighbours:
    """The ``count`` nearest rows of ``bank`` (M, D) to each row of ``queries`` (N, D).

    Exhaustive, in float64. The choice of rows is exact where squared distances differ by more than
    1e-12 of the largest squared distance from the bank's mean. The distances are computed from
    differences, exact to rounding, 0 for a copy. Equally near rows come in the bank's order. Raises
    ValueError for a bank of fewer rows than ``count``.
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
    """Distances of samples to the training clips, compared with those of real test clips."""

    samples: int
    real: int
    nearer: float
    """Probability that a sample is nearer to the training set than a real test clip; 0.5 for equal
    distributions, 1 if all samples are nearer."""
    z: float
    """Deviation of that rank comparison from 0.5, in standard deviations: Z_U of Meehan, Chaudhuri
    & Dasgupta 2020. Far below 0 if the samples are too near."""
    near_share: float
    """Share of samples nearer than the nearest 5% of real test clips; 0.05 for equal distributions.
    It shows a few copies among many samples, which the ranks do not."""

    @property
    def memorising(self) -> bool:
        """Whether z is below -3 and a sample is nearer in three cases out of four.

        z assumes independent clips; it is too large for several clips of each video. Copies that
        differ for the network, such as blurred ones, are not found.
        """
        return self.z < CHANCE_Z and self.nearer > ALIKE


def copying(samples: Tensor, real: Tensor) -> Copying:
    """Compare distances to the nearest training clip, of samples (N,) and real test clips (M,).

    Both sets are measured against the same training clips by the same network. Raises UserError if
    one is empty.
    """
    if not (len(samples) and len(real)):
        raise UserError(
            "memorisation cannot be measured without samples and real test clips",
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
