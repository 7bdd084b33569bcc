"""Values at infinite N, on Gaussians and classes whose true value is known."""

from functools import partial

import pytest
import torch

from dvdgan.evaluation.confidence import half_sampling
from dvdgan.evaluation.extrapolation import extrapolated
from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.inception_score import inception_score
from dvdgan.evaluation.moments import Moments


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def distance(x, y):
    return {"FVD": frechet_distance(Moments.of(x), Moments.of(y))}


@pytest.mark.parametrize("parts", [2, 3, 4, 8])
def test_a_line_in_one_over_n_is_read_off_exactly(parts):
    found = extrapolated(lambda x: {"": 3 + 50 / len(x)}, normal(840), parts=parts)
    assert found[""] == pytest.approx(3, rel=1e-12)


def test_a_mean_stays_what_it_is():
    rows = normal(840, 2)
    assert extrapolated(lambda x: {"": float(x.mean())}, rows)[""] == pytest.approx(
        float(rows.mean()), abs=1e-12
    )


def test_a_frechet_distance_loses_its_bias():
    """Equal distributions: the distance is 0, and several units at this N."""
    biased, free = [], []
    for seed in range(0, 20, 2):
        sets = normal(600, 40, seed=seed), normal(600, 40, seed=seed + 1)
        biased.append(distance(*sets)["FVD"])
        free.append(extrapolated(distance, *sets)["FVD"])
    biased, free = torch.tensor(biased), torch.tensor(free)
    assert biased.mean() > 1.2
    assert abs(free.mean()) < 0.05 * biased.mean()


def test_the_interval_holds_the_true_distance():
    """N(0, 1) against N(1, 4) in 5 dimensions: 5 (1 + 1)."""
    held = 0
    endless = partial(extrapolated, distance, parts=2)
    for seed in range(0, 40, 2):
        sets = normal(300, 5, seed=seed), 1 + 2 * normal(300, 5, seed=seed + 1)
        found = half_sampling(endless, *sets, splits=10)["FVD"]
        held += found.low <= 10 <= found.high
    # 19 of 20, less three standard deviations.
    assert held >= 16


def test_an_inception_score_loses_its_bias():
    """Clips of 20 classes, classified with certainty: the score is 20, and lower at few clips."""
    biased, free = [], []
    for seed in range(40):
        labels = torch.randint(20, (200,), generator=torch.Generator().manual_seed(seed))
        logits = 1e4 * torch.nn.functional.one_hot(labels, 20)
        biased.append(inception_score(logits))
        free.append(extrapolated(lambda x: {"IS": inception_score(x)}, logits)["IS"])
    assert sum(biased) / 40 < 19.3
    assert sum(free) / 40 == pytest.approx(20, abs=0.3)


def test_the_seed_decides_the_parts():
    sets = normal(50, 3), normal(50, 3, seed=1)
    one, again, other = (extrapolated(distance, *sets, seed=seed)["FVD"] for seed in (1, 1, 2))
    assert one == pytest.approx(again, abs=1e-12)
    assert one != pytest.approx(other, abs=1e-6)
