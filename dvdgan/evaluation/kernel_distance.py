"""Kernel distance of video features, as KID (Binkowski et al. 2018): unbiased at any N."""

import math

import torch
from torch import Tensor

from dvdgan.evaluation.confidence import SPLITS, Interval, interval

# Entries of one block of the kernel matrix: 80 MB of float64.
BLOCK = 10_000_000


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """Squared maximum mean discrepancy of features x (N, D) and y (M, D), in float64.

    The kernel is (x.y / D + 1)^3; pairs of a clip with itself are left out (Gretton et al. 2012,
    equation 3), so that the expected value does not depend on N. It is 0 on average for two sets of
    one distribution, and so may be negative; it is not clipped.
    """
    everything = torch.ones(len(x), 1), torch.ones(len(y), 1)
    return float(_distances(x, y, *everything))


def kernel_distance_interval(
    x: Tensor, y: Tensor, splits: int = SPLITS, seed: int = 0, level: float = 0.95
) -> Interval:
    """kernel_distance with its interval by half-sampling (confidence.half_sampling).

    One pass over the kernel matrix serves all halves. ``y`` is split too.
    """
    generator = torch.Generator().manual_seed(seed)
    first, first_y = (_halves(len(rows), splits, generator) for rows in (x, y))
    whole, whole_y = torch.ones(len(x), 1), torch.ones(len(y), 1)
    columns = torch.cat([whole, first, 1 - first], dim=1)
    columns_y = torch.cat([whole_y, first_y, 1 - first_y], dim=1)
    value, *halves = _distances(x, y, columns, columns_y).tolist()
    squares = sum((a - b) ** 2 for a, b in zip(halves[:splits], halves[splits:], strict=True))
    return interval(value, math.sqrt(squares / splits) / 2, splits, level)


def _distances(x: Tensor, y: Tensor, columns: Tensor, columns_y: Tensor) -> Tensor:
    """(S,) distance of each subset; columns (N, S), columns_y (M, S): 1 for clips in it."""
    x, y = x.to(torch.float64), y.to(torch.float64)
    columns, columns_y = columns.to(torch.float64), columns_y.to(torch.float64)
    n, m = columns.sum(0), columns_y.sum(0)
    within = (_sums(x, x, columns, columns) - columns.T @ _own(x)) / (n * (n - 1))
    within_y = (_sums(y, y, columns_y, columns_y) - columns_y.T @ _own(y)) / (m * (m - 1))
    return within + within_y - 2 * _sums(x, y, columns, columns_y) / (n * m)


def _sums(x: Tensor, y: Tensor, columns: Tensor, columns_y: Tensor) -> Tensor:
    """(S,) sums of the kernel over all pairs of each subset."""
    total = torch.zeros(columns.shape[1], dtype=torch.float64)
    step = max(1, BLOCK // len(y))
    for rows, chosen in zip(x.split(step), columns.split(step), strict=True):
        kernel = (rows @ y.T / x.shape[1] + 1).pow_(3)
        total += (chosen * (kernel @ columns_y)).sum(0)
    return total


def _own(rows: Tensor) -> Tensor:
    """(N,) kernel of each row with itself."""
    return (rows.square().sum(1) / rows.shape[1] + 1) ** 3


def _halves(count: int, splits: int, generator: torch.Generator) -> Tensor:
    """(count, splits): 1 for a random half of each column."""
    order = torch.rand(count, splits, generator=generator).argsort(0)
    return (order < count // 2).to(torch.float64)
