"""Mean and covariance of features, in float64, from any number of batches."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.storage.local import atomic_file


@dataclass(frozen=True)
class Moments:
    """How many feature vectors there were, their mean and how they scatter about it."""

    count: int
    mean: Tensor
    """(D,) float64."""
    scatter: Tensor
    """(D, D) float64: the sum over vectors of (x - mean)(x - mean)^T."""

    @classmethod
    def of(cls, features: Tensor) -> Self:
        """Moments of features (N, D), N >= 1."""
        precise = features.to(torch.float64)
        mean = precise.mean(0)
        centred = precise - mean
        return cls(len(features), mean, centred.T @ centred)

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets together (Chan, Golub & LeVeque 1983).

        The scatter is carried about the mean: E[xx] - mm loses all digits when means are large.
        """
        count = self.count + other.count
        gap = other.mean - self.mean
        mean = self.mean + gap * (other.count / count)
        between = torch.outer(gap, gap) * (self.count * other.count / count)
        return Moments(count, mean, self.scatter + other.scatter + between)

    @property
    def covariance(self) -> Tensor:
        """(D, D) float64, unbiased: divided by count - 1. UserError for a single vector."""
        if self.count < 2:
            raise UserError(
                "one clip has no covariance", todo="use more videos, or more clips of each"
            )
        return self.scatter / (self.count - 1)


def save_moments(path: Path, moments: dict[str, Moments]) -> None:
    """Write named moments into one safetensors file: NAME.count, NAME.mean, NAME.scatter."""
    tensors = {}
    for name, each in moments.items():
        tensors[f"{name}.count"] = torch.tensor(each.count)
        tensors[f"{name}.mean"] = each.mean
        tensors[f"{name}.scatter"] = each.scatter
    with atomic_file(path) as aside:
        save_file(tensors, aside)


def load_moments(path: Path) -> dict[str, Moments]:
    """Read what save_moments wrote; UserError when the file is missing."""
    if not path.is_file():
        raise UserError(
            "there are no real statistics", where=str(path), todo="run `dvdgan reference` first"
        )
    tensors = load_file(path)
    names = sorted({key.rpartition(".")[0] for key in tensors})
    return {
        name: Moments(
            int(tensors[f"{name}.count"]), tensors[f"{name}.mean"], tensors[f"{name}.scatter"]
        )
        for name in names
    }
