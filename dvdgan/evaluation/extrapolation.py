"""Metrics extrapolated to infinitely many clips (FID-infinity and IS-infinity), without bias."""

from collections.abc import Callable, Mapping
from math import fsum

import torch
from torch import Tensor

PARTS = 4


def extrapolated(
    statistic: Callable[..., Mapping[str, float]], *sets: Tensor, parts: int = PARTS, seed: int = 0
) -> dict[str, float]:
    """All values of ``statistic`` at infinite N (Chong & Forsyth 2020), for FID, FVD and IS.

    Their bias is proportional to 1 / N. The sets (one row per clip) are shuffled and cut into
    k = 1..``parts`` equal parts; a line is fitted to the values' means over the parts, against
    k / N, and evaluated at 0. Chong & Forsyth take one random subset of each of 15 sizes; means
    over disjoint parts use every clip at every size, and the line's variance is lower.

    A set that ``statistic`` closes over keeps its size and its bias: for Frechet distances the
    paper fixes the real set. Each part of a Frechet distance should have more clips than features
    have dimensions; otherwise the bias is not linear. For an interval, pass
    ``partial(extrapolated, statistic)`` to confidence.half_sampling.
    """
    generator = torch.Generator().manual_seed(seed)
    shuffled = [rows[torch.randperm(len(rows), generator=generator)] for rows in sets]
    means: dict[str, list[float]] = {}
    for k in range(1, parts + 1):
        chunks = [rows.tensor_split(k) for rows in shuffled]
        values = [statistic(*chunk) for chunk in zip(*chunks, strict=True)]
        for name in values[0]:
            means.setdefault(name, []).append(sum(each[name] for each in values) / k)
    return {name: _at_zero(each) for name, each in means.items()}


def _at_zero(means: list[float]) -> float:
    """The value at 0 of the least-squares line through (1, means[0]), (2, means[1]), ....

    In closed form: LAPACK's least squares gives other last digits from one call to the next.
    """
    center = (len(means) + 1) / 2
    offsets = [k - center for k in range(1, len(means) + 1)]
    products = [offset * mean for offset, mean in zip(offsets, means, strict=True)]
    slope = fsum(products) / fsum(offset**2 for offset in offsets)
    return fsum(means) / len(means) - slope * center
