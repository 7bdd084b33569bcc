"""Health metrics of generated clips: whether they differ, cover the real ones, and move.

They are for the guard: FID and FVD show that clips are bad, these show in which way.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dvdgan.evaluation.distances import squared_distances
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.manifold import manifold_scores
from dvdgan.evaluation.pixel_statistics import PixelRanges, PixelStatistics, defect_shares
from dvdgan.evaluation.reference import RealReference

# Clips are near duplicates below this share of the distance to the nearest other video that this
# quantile of the real clips has: a quantile, since data sets hold some videos twice.
NEAR_QUANTILE, NEAR_SHARE = 0.01, 0.5


def sample_health(
    generated: ClipFeatures,
    pixels: PixelStatistics,
    reference: RealReference,
    ranges: PixelRanges,
    distinct: int | None = None,
) -> dict[str, float]:
    """The health metrics of generated clips, relative to the real clips of ``reference``.

    - ``diversity``: mean distance of pairs over that of real ones; about 1, 0 when all are alike
    - ``class_diversity``: the same for pairs of one class, mean over the classes
    - ``recall``: share of real clips within the ball of a generated one (see manifold_scores)
    - ``near_duplicates``: share of clips with another one nearer than different real videos are
    - ``static``, ``uniform``, ``saturated``, ``flickering``: see pixel_statistics.defect_shares

    Distances are Euclidean, of pooled features. Real pairs are clips of different videos, as
    generated clips are. ``distinct``: the number of first clips that are of different videos, for a
    model that continues fewer videos than clips; the other clips do not count for diversity. A
    diversity is omitted if no class has two clips in both sets. Raises UserError for 5 clips or
    fewer.
    """
    first = generated.rows(torch.arange(min(len(generated), distinct or len(generated))))
    made = _differences(first.pooled, first.labels, torch.arange(len(first)))
    kept = reference.kept
    real = _differences(kept.pooled, kept.labels, _videos(reference))
    health = {}
    if made.pairs and real.mean > 0:
        health["diversity"] = made.mean / real.mean
    ratios = [
        made.within[label] / real.within[label]
        for label in made.within.keys() & real.within.keys()
        if real.within[label] > 0
    ]
    if ratios:
        health["class_diversity"] = sum(ratios) / len(ratios)
    near = NEAR_SHARE * torch.quantile(real.nearest, NEAR_QUANTILE)
    return health | {
        "recall": manifold_scores(generated.pooled, kept.pooled).recall,
        "near_duplicates": float((made.nearest < near).double().mean()),
        **defect_shares(pixels, ranges),
    }


@dataclass(frozen=True)
class _Differences:
    """Distances of the pairs of a set, of clips of different videos."""

    pairs: int
    """Ordered pairs."""
    mean: float
    within: dict[int, float]
    """Mean over the pairs of each class that has any."""
    nearest: Tensor
    """(N,) float64; infinite for a clip without a clip of another video."""


def _differences(features: Tensor, labels: Tensor, videos: Tensor) -> _Differences:
    """Of features (N, D), each clip of a class (N,) int64 and of a video (N,) int64."""
    classes, own = labels.unique(return_inverse=True)
    sums, counts = torch.zeros(2, len(classes), dtype=torch.float64)
    total, pairs, nearest = 0.0, 0, []
    for places, squares in squared_distances(features, features):
        distances = squares.sqrt()
        other = videos[places, None] != videos
        alike = other & (own[places, None] == own)
        total += float(distances[other].sum())
        pairs += int(other.sum())
        sums.index_add_(0, own[places], distances.where(alike, 0.0).sum(1))
        counts.index_add_(0, own[places], alike.sum(1, dtype=torch.float64))
        nearest.append(distances.where(other, torch.inf).amin(1))
    return _Differences(
        pairs,
        total / pairs if pairs else 0.0,
        {
            label: float(sums[place] / counts[place])
            for place, label in enumerate(classes.tolist())
            if counts[place]
        },
        torch.cat(nearest),
    )


def _videos(reference: RealReference) -> Tensor:
    """(N,) int64: the video of each kept clip; with a single video each clip counts as one."""
    videos = reference.kept_videos
    return videos if len(videos.unique()) > 1 else torch.arange(len(videos))
