"""Scores and diversity of each class."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dvdgan.evaluation.confidence import Interval, proportion
from dvdgan.evaluation.distances import squared_distances
from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.moments import Moments
from dvdgan.protocols import MINIMUM_CLIPS


def class_accuracy(logits: Tensor, labels: Tensor) -> dict[int, Interval]:
    """Share of each class's clips that the network assigns to it, for classes that have clips.

    logits: (N, classes), labels: (N,) int64, the classes that were requested.
    """
    right = logits.argmax(1) == labels
    return {
        label: proportion(int(right[labels == label].sum()), int((labels == label).sum()))
        for label in labels.unique().tolist()
    }


def class_frechet_distance(
    generated: Tensor,
    labels: Tensor,
    real: Tensor,
    real_labels: Tensor,
    minimum: int = MINIMUM_CLIPS,
) -> dict[int, float]:
    """Frechet distance of each class with at least ``minimum`` clips in both sets.

    generated: (N, D) with labels (N,), real: (M, D) with real_labels (M,). Values of classes
    compare only where the counts are equal.
    """
    found = {}
    for label in labels.unique().tolist():
        own, real_own = generated[labels == label], real[real_labels == label]
        if min(len(own), len(real_own)) >= minimum:
            found[label] = frechet_distance(Moments.of(own), Moments.of(real_own))
    return found


@dataclass(frozen=True)
class Diversity:
    """Mean distances of pairs of different clips, in feature units."""

    within: dict[int, float]
    """Within each class; near 0 for a class that has collapsed to one clip. Classes of one clip are
    left out."""
    across: float | None
    """Between different classes; None for a single class."""


def diversity(features: Tensor, labels: Tensor) -> Diversity:
    """Mean Euclidean distances of features (N, D) within and across classes labels (N,) int64."""
    classes, own = labels.unique(return_inverse=True)
    counts = own.bincount()
    # sums[a, b]: distances between all clips of class a and all of class b.
    sums = torch.zeros(len(classes), len(classes), dtype=torch.float64)
    member = torch.nn.functional.one_hot(own, len(classes)).to(torch.float64)
    for places, squares in squared_distances(features, features):
        sums += member[places].T @ (squares.sqrt() @ member)
    within = {
        label: float(sums[place, place] / (counts[place] * (counts[place] - 1)))
        for place, label in enumerate(classes.tolist())
        if counts[place] > 1
    }
    pairs = len(labels) ** 2 - int(counts.square().sum())
    across = float((sums.sum() - sums.diagonal().sum()) / pairs) if pairs else None
    return Diversity(within, across)
