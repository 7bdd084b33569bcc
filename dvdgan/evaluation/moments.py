"""Mean and covariance of features, in float64, from any number of batches and processes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.storage.local import atomic_file
from dvdgan.storage.reading import reading
from dvdgan.storage.tensors import load_tensors, save_tensors


@dataclass(frozen=True)
class Moments:
    """Count, mean and scatter matrix of feature vectors.

    Rounding. Let K be the number of batches, M the largest |x|, s_i the standard deviation of
    feature i and eps = 2.2e-16. However the vectors were cut into batches and in whatever order
    the batches were merged, the mean is within (K + 2) eps M of the exact one and the covariance
    ij within 4 (K + 2) eps (1 + M / min(s_i, s_j)) s_i s_j. That is the worst case; measured
    errors are below it with sqrt(K) for K.
    """

    count: int
    mean: Tensor
    """(D,) float64."""
    scatter: Tensor
    """(D, D) float64: the sum over vectors of (x - mean)(x - mean)^T."""
    rows: Tensor | None = None
    """(count, D) float64: the centred vectors, kept while there are at most D of them. They are a
    root of the scatter; one computed from the scatter has only half of the digits."""

    @classmethod
    def of(cls, features: Tensor) -> Self:
        """Moments of features (N, D), N >= 1."""
        precise = features.to(torch.float64)
        mean = precise.mean(0)
        centred = precise - mean
        few = len(centred) <= centred.shape[1]
        return cls(len(features), mean, centred.T @ centred, centred if few else None)

    def merge(self, other: "Moments") -> "Moments":
        """Moments of the union of both sets (Chan, Golub & LeVeque 1983).

        The scatter is kept about the mean: E[xx] - mm loses all digits when means are large.
        """
        count = self.count + other.count
        gap = other.mean - self.mean
        shift = gap * (other.count / count)
        between = torch.outer(gap, gap) * (self.count * other.count / count)
        rows = None
        if self.rows is not None and other.rows is not None and count <= len(gap):
            rows = torch.cat([self.rows - shift, other.rows + (gap - shift)])
        return Moments(count, self.mean + shift, self.scatter + other.scatter + between, rows)

    @property
    def covariance(self) -> Tensor:
        """(D, D) float64, unbiased: divided by count - 1. UserError for a single vector."""
        if self.count < 2:
            raise UserError(
                "one clip has no covariance", todo="use more videos, or more clips of each"
            )
        return self.scatter / (self.count - 1)


def save_moments(path: Path, moments: dict[str, Moments]) -> None:
    """Write moments by name to one safetensors file: NAME.count, .mean, .scatter and any .rows."""
    tensors = {}
    for name, each in moments.items():
        tensors[f"{name}.count"] = torch.tensor(each.count)
        tensors[f"{name}.mean"] = each.mean
        tensors[f"{name}.scatter"] = each.scatter
        if each.rows is not None:
            tensors[f"{name}.rows"] = each.rows
    with atomic_file(path) as aside:
        save_tensors(tensors, aside)


def load_moments(path: Path) -> dict[str, Moments]:
    """Read a file written by save_moments; UserError if it is missing or damaged."""
    if not path.is_file():
        raise UserError(
            "there are no real statistics", where=str(path), todo="run `dvdgan reference` first"
        )
    tensors = load_tensors(path)
    names = sorted({key.rpartition(".")[0] for key in tensors})
    with reading(path, "a file of moments"):
        found = {
            name: Moments(
                int(tensors[f"{name}.count"]),
                tensors[f"{name}.mean"],
                tensors[f"{name}.scatter"],
                tensors.get(f"{name}.rows"),
            )
            for name in names
        }
        for name, each in found.items():
            _check(name, each)
    return found


def _check(name: str, moments: Moments) -> None:
    """Raise ValueError if the tensors are not moments."""
    [size] = moments.mean.shape
    shapes = {"mean": (size,), "scatter": (size, size), "rows": (moments.count, size)}
    for field, shape in shapes.items():
        tensor = getattr(moments, field)
        if tensor is None and field == "rows":
            continue
        if tensor.dtype != torch.float64 or tensor.shape != shape or moments.count < 1:
            found = f"{tensor.dtype} of shape {tuple(tensor.shape)}"
            raise ValueError(f"{name}.{field} is {found}, for {moments.count} vectors")
