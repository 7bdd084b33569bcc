"""Precision, recall, density and coverage of generated clips in feature space."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.evaluation.distances import squared_distances


@dataclass(frozen=True)
class ManifoldScores:
    """Shares of clips, 0..1; only density may exceed 1."""

    precision: float
    """Generated clips within the ball of some real clip (Kynkaanniemi et al. 2019)."""
    recall: float
    """Real clips within the ball of some generated clip (same)."""
    density: float
    """Real balls that contain a generated clip, over the number of neighbours (Naeem et al. 2020);
    1 on average for two sets of one distribution."""
    coverage: float
    """Real clips with a generated one in their ball (same)."""


def manifold_scores(generated: Tensor, real: Tensor, neighbours: int = 5) -> ManifoldScores:
    """Scores of generated (N, D) against real features (M, D).

    A clip's ball reaches to its ``neighbours``-th nearest clip of its own set: 3 in Kynkaanniemi et
    al. 2019, 5 in Naeem et al. 2020. As in the papers' code, the border belongs to the ball for
    precision and recall (<=), and not for density and coverage (<), which matters only for equal
    distances, as among copies of one clip. The scores depend on N, M and ``neighbours``. Raises
    UserError for sets of no more than ``neighbours`` clips.
    """
    if min(len(generated), len(real)) <= neighbours:
        raise UserError(
            f"{min(len(generated), len(real))} clips are too few for {neighbours} neighbours each",
            todo="use more clips",
        )
    radii, real_radii = _radii(generated, neighbours), _radii(real, neighbours)
    within = torch.zeros(len(generated), dtype=torch.bool)
    recalled = covered = balls = 0
    for places, distances in squared_distances(real, generated):
        reach = real_radii[places, None]
        within |= (distances <= reach).any(0)
        recalled += int((distances <= radii).any(1).sum())
        inside = distances < reach
        balls += int(inside.sum())
        covered += int(inside.any(1).sum())
    return ManifoldScores(
        precision=float(within.double().mean()),
        recall=recalled / len(real),
        density=balls / (neighbours * len(generated)),
        coverage=covered / len(real),
    )


def _radii(rows: Tensor, neighbours: int) -> Tensor:
    """(N,) squared distance of each row to its ``neighbours``-th nearest other row."""
    radii = torch.empty(len(rows), dtype=torch.float64)
    for places, distances in squared_distances(rows, rows):
        # The nearest is the row itself.
        nearest = distances.topk(neighbours + 1, dim=1, largest=False).values
        radii[places] = nearest[:, -1]
    return radii
