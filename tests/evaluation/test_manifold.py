"""Precision, recall, density and coverage against plain loops, and where they are known."""

import math

import numpy as np
import pytest
import torch

from dvdgan.errors import UserError
from dvdgan.evaluation import distances
from dvdgan.evaluation.distances import squared_distances
from dvdgan.evaluation.manifold import ManifoldScores, manifold_scores


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def by_plain_loops(generated, real, k):
    """The definitions of the two papers, one pair at a time."""
    generated, real = generated.tolist(), real.tolist()

    def radius(rows, i):
        return sorted(math.dist(rows[i], row) for j, row in enumerate(rows) if j != i)[k - 1]

    radii = [radius(generated, i) for i in range(len(generated))]
    real_radii = [radius(real, i) for i in range(len(real))]
    n, m = range(len(generated)), range(len(real))
    return ManifoldScores(
        precision=sum(any(math.dist(generated[i], real[j]) <= real_radii[j] for j in m) for i in n)
        / len(generated),
        recall=sum(any(math.dist(generated[i], real[j]) <= radii[i] for i in n) for j in m)
        / len(real),
        density=sum(math.dist(generated[i], real[j]) < real_radii[j] for i in n for j in m)
        / (k * len(generated)),
        coverage=sum(any(math.dist(generated[i], real[j]) < real_radii[j] for i in n) for j in m)
        / len(real),
    )


@pytest.mark.parametrize("block", [1, 200, 10_000])
@pytest.mark.parametrize("neighbours", [1, 3, 5])
def test_they_are_the_plain_loops_for_blocks_of_any_size(neighbours, block, monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", block)
    generated, real = normal(41, 3) * 0.7 + 0.4, normal(53, 3, seed=1)
    found = manifold_scores(generated, real, neighbours)
    assert found == by_plain_loops(generated, real, neighbours)


def test_copies_of_real_clips_are_precise_and_cover():
    real = normal(30, 4)
    found = manifold_scores(real, real)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
    # Each clip lies in its own ball and, on average, in those of four others (the fifth's border).
    assert found.density == 1


def test_a_ball_of_radius_zero_holds_its_copies_for_precision_but_not_for_density():
    """Every clip six times over: `<=` finds the copies, `<` does not."""
    real = normal(5, 4).repeat_interleave(6, 0) + 1e4
    found = manifold_scores(real, real, neighbours=5)
    assert (found.precision, found.recall) == (1, 1)
    assert (found.density, found.coverage) == (0, 0)


def test_one_distribution_has_a_density_of_one():
    assert manifold_scores(normal(1500, 2), normal(1500, 2, seed=1)).density == pytest.approx(
        1, abs=0.05
    )


def test_a_lost_mode_lowers_recall_and_coverage_alone():
    modes = torch.tensor([[0.0, 0.0], [100.0, 0.0]], dtype=torch.float64)
    real = normal(200, 2) + modes.repeat(100, 1)
    found = manifold_scores(normal(200, 2, seed=1), real)
    assert found.precision > 0.9
    assert found.recall < 0.55
    assert found.coverage < 0.55


def test_a_blurred_mode_lowers_precision_alone():
    found = manifold_scores(normal(300, 8) * 3, normal(300, 8, seed=1))
    assert found.precision < 0.2
    assert found.recall > 0.9


def test_too_few_clips_are_refused():
    with pytest.raises(UserError, match="5 neighbours"):
        manifold_scores(normal(5, 2), normal(20, 2))


def test_equal_rows_are_at_distance_zero_and_others_as_far_as_they_are():
    rows = torch.cat([normal(20, 50), normal(20, 50)]) + 1e3
    blocks = [block for _, block in squared_distances(rows, rows)]
    expected = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    np.testing.assert_allclose(torch.cat(blocks).sqrt(), expected, rtol=1e-9)
    assert (torch.cat(blocks)[:20, 20:].diagonal() == 0).all()
