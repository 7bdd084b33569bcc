"""Euclidean distances between all rows of two sets, a block of rows at a time."""

from collections.abc import Iterator

import torch
from torch import Tensor

# Entries of one block: 80 MB of float64.
BLOCK = 10_000_000


def squared_distances(rows: Tensor, others: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield (a slice of rows, their squared distances (b, M) float64 to all of ``others``).

    rows: (N, D), others: (M, D). A distance below its rounding error is exactly 0, so that equal
    rows are at distance 0.
    """
    centre = others.to(torch.float64).mean(0)
    rows, others = rows.to(torch.float64) - centre, others.to(torch.float64) - centre
    lengths, other_lengths = rows.square().sum(1), others.square().sum(1)
    step = max(1, BLOCK // len(others))
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        sums = lengths[block, None] + other_lengths
        squares = torch.addmm(sums, rows[block], others.T, alpha=-2)
        rounding = 8 * torch.finfo(torch.float64).eps * sums
        yield block, squares.masked_fill_(squares <= rounding, 0)
