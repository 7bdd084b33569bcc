"""The jump score of generators whose answer is known in closed form."""

import math

import pytest
import torch
from scipy.stats import binom

from dvdgan.evaluation.interpolation_jumps import (
    Jumps,
    class_lines,
    interpolation_steps,
    latent_lines,
    median_interval,
)
from dvdgan.evaluation.networks.clip_network import Activations
from dvdgan.export.sampler import Sampler
from dvdgan.models.architecture import GeneratorArchitecture
from dvdgan.models.generator import Generator
from dvdgan.models.spectral import bake

VIDEOS = 9


def pixels(clips):
    """A feature network that sees pixels."""
    flat = clips.flatten(1).to(torch.float32)
    return Activations(flat, flat[:, :2])


def line_of(levels):
    """Clips of one grey level each."""
    levels = torch.tensor(levels, dtype=torch.uint8)
    return levels[:, None, None, None, None].expand(-1, 2, 3, 4, 4)


def gliding():
    return line_of(range(0, 10 * VIDEOS, 10))


def jumping():
    return line_of([20] * 4 + [200] * 5)


def memorising():
    """The nearest of four stored videos, at equal distances: three jumps."""
    return line_of([10, 10, 60, 60, 60, 110, 110, 160, 160])


def steps_of(*lines):
    return interpolation_steps(lines, pixels, len(lines))


def test_steps_are_distances_of_neighbours():
    steps = steps_of(gliding(), jumping())
    assert steps.dtype == torch.float64
    length = math.sqrt(2 * 3 * 4 * 4)
    assert steps[0].tolist() == pytest.approx([10 * length] * (VIDEOS - 1))
    assert steps[1].tolist() == pytest.approx([0, 0, 0, 180 * length, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("line", "score"), [(gliding, 1), (jumping, VIDEOS - 1), (memorising, (VIDEOS - 1) / 3)]
)
def test_scores_in_closed_form(line, score):
    found = Jumps.of(steps_of(*[line()] * 8))
    assert found.score == pytest.approx(score)
    assert found.interval == pytest.approx((score, score))
    assert (found.videos, found.lines, found.still) == (VIDEOS, 8, 0)


def test_one_line_in_two_tells_the_median():
    found = Jumps.of(steps_of(gliding(), gliding(), jumping()))
    assert found.score == pytest.approx(1)
    assert found.interval is None


def test_lines_that_stand_still_are_counted_not_scored():
    still = line_of([7] * VIDEOS)
    found = Jumps.of(steps_of(still, jumping()))
    assert (found.score, found.still, found.lines) == (pytest.approx(VIDEOS - 1), 1, 2)
    assert Jumps.of(steps_of(still)).score is None


@pytest.mark.parametrize("n", [1, 5, 6, 20, 61, 2000])
def test_the_interval_is_the_one_of_order_statistics(n):
    values = torch.randn(n, generator=torch.Generator().manual_seed(n)).double()
    k = int(binom.ppf(0.025, n, 0.5))
    while binom.cdf(k - 1, n, 0.5) > 0.025:
        k -= 1
    expected = None if k < 1 else (values.sort().values[k - 1], values.sort().values[n - k])
    found = median_interval(values)
    assert (found is None) == (expected is None)
    assert found is None or found == pytest.approx([float(end) for end in expected])


def test_the_interval_holds_the_median_as_often_as_it_says():
    generator = torch.Generator().manual_seed(0)
    draws = torch.randn(1000, 25, generator=generator).exp()  # median 1
    hits = sum(low <= 1 <= high for low, high in map(median_interval, draws))
    assert 0.94 < hits / 1000 < 0.99


@pytest.fixture(scope="module")
def sampler():
    torch.manual_seed(1)
    sizes = {"classes": 3, "resolution": 32, "frames": 4, "channels": 1, "latent_dim": 8}
    generator = Generator(GeneratorArchitecture(**sizes)).eval()
    bake(generator)
    return Sampler(generator, ["bend", "jack", "wave"], 12.5)


def test_latent_lines_lead_from_one_sample_to_the_next(sampler):
    labels = torch.tensor([2, 0])
    for line, (label, clips) in enumerate(
        zip(labels, latent_lines(sampler, labels, seed=3, videos=5), strict=True)
    ):
        assert clips.shape == (5, 4, 3, 32, 32)
        ends = sampler.sample(label.expand(2), seed=3, first=2 * line)
        assert clips[[0, -1]].equal(ends)


def test_class_lines_lead_from_class_to_class_with_one_latent(sampler):
    pairs = torch.tensor([[0, 1], [2, 0]])
    for number, (pair, clips) in enumerate(
        zip(pairs, class_lines(sampler, pairs, seed=3, videos=5), strict=True)
    ):
        for end, label in ((0, pair[0]), (-1, pair[1])):
            assert clips[end].equal(sampler.sample(label[None], seed=3, first=number)[0])


def test_a_smooth_generator_scores_near_1(sampler):
    """An untrained one bends the line but tears it nowhere."""
    labels = torch.zeros(6, dtype=torch.int64)
    steps = interpolation_steps(latent_lines(sampler, labels, 0, VIDEOS), pixels, 6)
    score = Jumps.of(steps).score
    assert score is not None and 1 <= score < 2
