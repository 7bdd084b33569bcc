"""Sampling with less noise, between two latents, between two classes, and from given frames."""

import numpy as np
import pytest
import torch
from scipy.stats import truncnorm

from dvdgan.export.sampler import Sampler
from dvdgan.models.architecture import GeneratorArchitecture
from dvdgan.models.generator import Generator
from dvdgan.models.latent import Truncation, numbered_latents
from dvdgan.models.spectral import bake

CLASSES = ["bend", "jack", "wave"]
SIZES = {"resolution": 32, "frames": 4, "channels": 1, "latent_dim": 8, "class_dim": 6}
GIVEN = 2


def sampler(**changes: int) -> Sampler:
    torch.manual_seed(1)
    generator = Generator(GeneratorArchitecture(**({"classes": 3} | SIZES | changes))).eval()
    bake(generator)
    return Sampler(generator, CLASSES, fps=12.5)


@pytest.fixture(scope="module")
def synthesis() -> Sampler:
    return sampler()


@pytest.fixture(scope="module")
def prediction() -> Sampler:
    return sampler(classes=0, conditioning_frames=GIVEN, encoder_channels=1)


def frames(count: int) -> torch.Tensor:
    draws = torch.Generator().manual_seed(7)
    return torch.randint(256, (count, GIVEN, 3, 32, 32), dtype=torch.uint8, generator=draws)


def far(one: torch.Tensor, other: torch.Tensor) -> int:
    return int((one.int() - other.int()).abs().max())


LABELS = torch.tensor([0, 1, 2, 2, 1, 0])


@pytest.mark.parametrize("truncation", [Truncation(0.44), Truncation(0.44, "resampled")])
def test_truncation_is_that_of_the_latents(synthesis: Sampler, truncation: Truncation) -> None:
    latents = numbered_latents(5, 0, 6, 8, truncation)
    with torch.no_grad():
        direct = synthesis.generator(latents, LABELS)
    expected = ((direct + 1) * 127.5).round().to(torch.uint8)
    assert far(synthesis.sample(LABELS, 5, truncation=truncation), expected) <= 1
    assert far(synthesis.sample(LABELS, 5), expected) > 5


def test_both_readings_of_truncation_have_their_own_spread() -> None:
    gaussian = numbered_latents(1, 0, 2000, 8, Truncation(0.5)).numpy()
    resampled = numbered_latents(1, 0, 2000, 8, Truncation(0.5, "resampled")).numpy()
    assert gaussian.std() == pytest.approx(0.5, rel=0.02)
    assert abs(resampled).max() <= 0.5
    assert resampled.std() == pytest.approx(truncnorm(-0.5, 0.5).std(), rel=0.02)


def test_latents_are_interpolated_between_two_numbered_videos(synthesis: Sampler) -> None:
    made = synthesis.interpolate_latents(label=1, seed=5, numbers=(2, 9), steps=5)
    assert made.shape == (5, 4, 3, 32, 32)
    for row, number in ((0, 2), (4, 9)):
        assert far(made[row], synthesis.sample(torch.tensor([1]), 5, first=number)[0]) <= 1
    ends = numbered_latents(5, 2, 1, 8)[0], numbered_latents(5, 9, 1, 8)[0]
    middle = (ends[0] + ends[1]) / 2
    with torch.no_grad():
        direct = synthesis.generator(middle[None], torch.tensor([1]))[0]
    assert far(made[2], ((direct + 1) * 127.5).round().to(torch.uint8)) <= 1


def test_classes_are_interpolated_at_one_latent(synthesis: Sampler) -> None:
    made = synthesis.interpolate_classes(labels=(0, 2), seed=5, number=3, steps=3)
    for row, label in ((0, 0), (2, 2)):
        assert far(made[row], synthesis.sample(torch.tensor([label]), 5, first=3)[0]) <= 1
    embedding = synthesis.generator.class_embedding
    assert embedding is not None
    between = embedding.weight[[0, 2]].detach().numpy().mean(axis=0)
    condition = np.concatenate([numbered_latents(5, 3, 1, 8)[0].numpy(), between])
    with torch.no_grad():
        direct = synthesis.generator.synthesise(torch.from_numpy(condition)[None])[0]
    assert far(made[1], ((direct + 1) * 127.5).round().to(torch.uint8)) <= 1


def test_a_prediction_begins_with_the_given_frames(prediction: Sampler) -> None:
    given = frames(5)
    videos = prediction.sample(torch.zeros(5, dtype=torch.int64), 0, conditioning=given)
    assert videos.shape == (5, 4, 3, 32, 32)
    assert torch.equal(videos[:, :GIVEN], given)
    assert videos[:, GIVEN:].float().std() > 5


def test_a_prediction_depends_on_its_own_frames_bit_for_bit(prediction: Sampler) -> None:
    given, labels = frames(6), torch.zeros(6, dtype=torch.int64)
    together = prediction.sample(labels, 0, conditioning=given)
    for number in range(6):
        alone = prediction.sample(
            labels[:1], 0, first=number, conditioning=given[number : number + 1]
        )
        assert torch.equal(alone[0], together[number])
    others = given.clone()
    others[1:] = 0
    moved = prediction.sample(labels, 0, conditioning=others)
    assert torch.equal(moved[0], together[0])
    assert far(moved[1, GIVEN:], together[1, GIVEN:]) > 5


def test_interpolation_of_a_prediction_keeps_the_frames(prediction: Sampler) -> None:
    given = frames(1)[0]
    made = prediction.interpolate_latents(0, 5, (0, 1), 3, conditioning=given)
    assert all(torch.equal(clip[:GIVEN], given) for clip in made)
    with pytest.raises(ValueError, match="has no classes"):
        prediction.interpolate_classes((0, 1), 0, 0, 3)


def test_what_does_not_fit_the_model_is_refused(synthesis: Sampler, prediction: Sampler) -> None:
    labels = torch.tensor([0, 1])
    with pytest.raises(ValueError, match="continues frames: give 2"):
        prediction.sample(labels, 0)
    with pytest.raises(ValueError, match="continues no frames"):
        synthesis.sample(labels, 0, conditioning=frames(2))
    with pytest.raises(ValueError, match=r"uint8 \(2, 2, 3, 32, 32\)"):
        prediction.sample(labels, 0, conditioning=frames(2).float())
    with pytest.raises(ValueError, match=r"\(2, 2, 3, 32, 32\)"):
        prediction.sample(labels, 0, conditioning=frames(3))
    for wrong in (torch.tensor([0, 3]), torch.tensor([-1, 0])):
        with pytest.raises(ValueError, match=r"labels must be in 0\.\.2"):
            synthesis.sample(wrong, 0)
    for wrong in (torch.tensor([], dtype=torch.int64), torch.zeros(2), torch.zeros(1, 2).long()):
        with pytest.raises(ValueError, match="labels must be whole numbers, one for each video"):
            synthesis.sample(wrong, 0)


@pytest.mark.parametrize("level", [0.0, -1.0, float("nan"), float("inf"), 1000.0])
def test_a_truncation_that_is_none_is_refused(level: float) -> None:
    for kind in ("gaussian", "resampled"):
        with pytest.raises(ValueError, match="above 0, at most 10"):
            Truncation(level, kind)  # type: ignore[arg-type]


def test_a_bound_that_would_take_years_to_meet_is_refused() -> None:
    assert numbered_latents(0, 0, 1, 8, Truncation(0.001)).abs().max() < 0.01
    with pytest.raises(ValueError, match="too rare"):
        Truncation(0.001, "resampled")
    with pytest.raises(ValueError, match="gaussian or resampled"):
        Truncation(0.5, "biggan")  # type: ignore[arg-type]
