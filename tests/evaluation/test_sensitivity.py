"""Each way of spoiling real video moves FID and FVD up, and the more the more it is spoilt.

Real people who bend, jump and wave (Weizmann), a SmallI3D trained on them for a few steps. Clips
taken from the same videos at other times are the unspoilt end of every row.
"""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from dvdgan.evaluation import controls
from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.inception_score import inception_score
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.neighbours import copying, nearest
from dvdgan.evaluation.networks.small_i3d import SmallI3D, train_small_i3d
from dvdgan.video.decode import frames
from dvdgan.video.image import resize_short_side

WEIZMANN = Path(__file__).resolve().parents[2] / "../shared/data/weizmann"
SIDE, FRAMES, STRIDE = 32, 8, 2
SPAN = (FRAMES - 1) * STRIDE + 1
CLIPS_PER_VIDEO = 4


@pytest.fixture(scope="module")
def videos():
    """(frames (N, 3, SIDE, SIDE) uint8, label, person) of every video."""
    if not (WEIZMANN / "index.csv").is_file():
        pytest.skip(f"{WEIZMANN} is not here")
    with (WEIZMANN / "index.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    classes = sorted({row["class"] for row in rows})
    found = []
    for row in rows:
        shown = [resize_short_side(frame, SIDE) for frame in frames(WEIZMANN / row["file"])]
        pixels = torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2)
        found.append((pixels, classes.index(row["class"]), int(row["subject"])))
    return found


def window(pixels, start):
    return pixels[start : start + SPAN : STRIDE]


def training(videos):
    generator = torch.Generator().manual_seed(0)

    def below(bound):
        return int(torch.randint(bound, (1,), generator=generator))

    while True:
        chosen = [videos[below(len(videos))] for _ in range(16)]
        clips = [window(pixels, below(len(pixels) - SPAN + 1)) for pixels, *_ in chosen]
        yield torch.stack(clips), torch.tensor([label for _, label, _ in chosen])


def spread(videos, odd):
    """CLIPS_PER_VIDEO clips of every video at even times; ``odd``: at the times between."""
    clips, labels = [], []
    for pixels, label, _ in videos:
        for place in range(CLIPS_PER_VIDEO):
            share = (2 * place + odd) / (2 * CLIPS_PER_VIDEO - 1)
            clips.append(window(pixels, round((len(pixels) - SPAN) * share)))
            labels.append(label)
    return torch.stack(clips), torch.tensor(labels)


@pytest.fixture(scope="module")
def features(videos):
    """clips -> [pooled features, logits]."""
    torch.manual_seed(0)
    network = SmallI3D(4, width=8)
    train_small_i3d(training(videos), network, steps=60, learning_rate=3e-3)

    def found(clips):
        with torch.inference_mode():
            parts = [network(some.float()) for some in clips.split(32)]
        return [torch.cat(each) for each in zip(*parts, strict=True)]

    return found


@pytest.fixture(scope="module")
def score(videos, features):
    """clips -> (FID, FVD, IS) against the clips at even times."""
    real = [Moments.of(each) for each in features(spread(videos, odd=0)[0])]

    def measured(clips):
        pooled, logits = features(clips)
        distances = [
            frechet_distance(Moments.of(each), against)
            for each, against in zip((pooled, logits), real, strict=True)
        ]
        return *distances, inception_score(logits)

    return measured


@pytest.fixture(scope="module")
def real(videos):
    return spread(videos, odd=1)


def noisy(clips, levels):
    noise = torch.randn(clips.shape, generator=torch.Generator().manual_seed(1))
    return (clips + levels * noise).round().clamp(0, 255).to(torch.uint8)


def blurred(clips, sigma):
    """Every frame under a Gaussian of ``sigma`` pixels; the edge goes on outside."""
    reach = 3 * sigma
    weights = torch.exp(-(torch.arange(-reach, reach + 1.0) ** 2) / (2 * sigma**2))
    # Of every row or column, what it takes from each other: a matrix is faster than a convolution.
    taken = torch.zeros(SIDE, SIDE)
    for place in range(SIDE):
        sources = torch.arange(place - reach, place + reach + 1).clamp(0, SIDE - 1)
        taken[place].index_add_(0, sources, weights / weights.sum())
    return (taken @ clips.float() @ taken.T).round().clamp(0, 255).to(torch.uint8)


def partly(changed, clips, share):
    """The first ``share`` of clips, in a random order, as in ``changed``."""
    order = torch.randperm(len(clips), generator=torch.Generator().manual_seed(2))
    rows = order[: round(share * len(clips))]
    mixed = clips.clone()
    mixed[rows] = changed[rows]
    return mixed


def rises(values):
    return all(before < after for before, after in pairwise(values))


def test_noise(score, real):
    clips, _ = real
    fid, fvd, inception = zip(
        *[score(each) for each in (clips, *(noisy(clips, s) for s in (5, 10, 20, 40)))],
        strict=True,
    )
    assert rises(fid) and rises(fvd)
    assert rises(inception[::-1])


def test_blur(score, real):
    clips, _ = real
    fid, fvd, inception = zip(
        *[score(each) for each in (clips, *(blurred(clips, s) for s in (1, 2, 4)))], strict=True
    )
    assert rises(fid) and rises(fvd)
    assert rises(inception[::-1])


@pytest.mark.parametrize(
    "control", [lambda clips: controls.shuffle_frames(clips, 0), controls.freeze_frames]
)
def test_motion_taken_from_more_and_more_clips(score, real, control):
    clips, _ = real
    shares = [partly(control(clips), clips, share) for share in (0, 0.25, 0.5, 1)]
    fid, fvd, inception = zip(*[score(each) for each in shares], strict=True)
    assert rises(fid) and rises(fvd)
    assert rises(inception[::-1])


def test_dropped_modes(score, real):
    """Classes that are never generated; IS may not show that one of four is missing."""
    clips, labels = real
    fid, fvd, inception = zip(*[score(clips[labels < kept]) for kept in (4, 3, 2, 1)], strict=True)
    assert rises(fid) and rises(fvd)
    assert rises(inception[:0:-1])


def test_time_reversed_goes_unseen(score, real):
    """Who bends, jumps or waves does so backwards, too: the network need not distinguish them.

    A lesson about the metric: FID and FVD punish a motion as far as their network sees it, and
    here, reversed clips are no farther away than clips from other times of the same videos.
    """
    clips, _ = real
    assert score(clips.flip(1))[0] < 0.02 * score(controls.freeze_frames(clips))[0]


def test_noisy_copies_of_training_clips_are_found_and_blurred_ones_are_not(videos, features):
    def people(*those):
        return spread([each for each in videos if each[2] in those], odd=0)[0]

    train, test = people(0, 1, 2, 3, 4), people(5, 6)
    bank = features(train)[0]

    def against_training(clips):
        distances = [nearest(features(each)[0], bank).distances[:, 0] for each in (clips, test)]
        return copying(*distances)

    copies, unseen = against_training(noisy(train, 5)), against_training(people(7, 8))
    assert copies.memorising
    # Two people are not two others: also the unseen differ, which z alone takes for copying.
    assert copies.nearer > unseen.nearer > 0.5
    assert copies.near_share > unseen.near_share
    # A blurred clip is far from its original as this network sees it. The eye knows better.
    assert not against_training(blurred(train, 1)).memorising
