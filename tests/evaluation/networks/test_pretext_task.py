"""The task for one class: what becomes of clips, and that features see content and motion."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from robot_pushing import arm_video

from dvdgan.evaluation.controls import freeze_frames, shuffle_frames
from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.networks.pretext_task import PRETEXT_CLASSES, pretext_batches
from dvdgan.evaluation.networks.small_i3d import SmallI3D, accuracy, train_small_i3d


def numbered(frames=5, side=3):
    """A batch of one clip whose values are all different."""
    count = frames * 3 * side * side
    return torch.arange(count, dtype=torch.uint8).view(1, frames, 3, side, side)


def test_clips_are_reordered_and_turned_as_their_label_names():
    clip = numbered()[0].numpy()
    found = Counter()
    batches = ((numbered(), torch.tensor([7])) for _ in range(600))
    for clips, labels in pretext_batches(batches, seed=0):
        name = PRETEXT_CLASSES[int(labels)]
        order, degrees = name.split(", turned by ")
        upright = np.rot90(clips[0].numpy(), -int(degrees.split()[0]) // 90, axes=(2, 3))
        places = [[np.array_equal(one, other) for other in clip].index(True) for one in upright]
        forward = list(range(5))
        assert sorted(places) == forward
        expected = {"forward": [forward], "backward": [forward[::-1]]}
        if order == "shuffled":
            assert places not in (forward, forward[::-1])
        else:
            assert places in expected[order]
        found[name] += 1
    assert found.keys() == set(PRETEXT_CLASSES)
    assert max(found.values()) < 2.5 * min(found.values())


def test_the_draws_are_those_of_the_seed_whatever_the_batches():
    def drawn(seed, size):
        batches = ((numbered().repeat(size, 1, 1, 1, 1), torch.zeros(size)) for _ in range(20))
        return [labels for _, labels in pretext_batches(batches, seed)]

    assert torch.equal(torch.cat(drawn(1, 4)), torch.cat(drawn(1, 4)))
    assert not torch.equal(torch.cat(drawn(1, 4)), torch.cat(drawn(2, 4)))


def test_two_frames_cannot_be_shuffled():
    batches = ((numbered(frames=2), torch.tensor([0])) for _ in range(100))
    with pytest.raises(ValueError, match="two frames"):
        list(pretext_batches(batches, seed=0))


def arms(first, count):
    """(count, 8, 3, 32, 32) uint8, every fourth frame and second pixel of arm_video."""
    videos = np.stack(
        [arm_video(number)[:29:4, ::2, ::2] for number in range(first, first + count)]
    )
    return torch.from_numpy(videos).permute(0, 1, 4, 2, 3)


def test_features_of_one_class_tell_spoilt_videos_from_real_ones():
    train = arms(0, 256)
    batches = ((train[torch.randint(256, (16,))], torch.zeros(16)) for _ in iter(int, 1))
    torch.manual_seed(0)
    network = SmallI3D(len(PRETEXT_CLASSES), width=8)
    train_small_i3d(pretext_batches(batches, seed=0), network, 60, learning_rate=3e-3)
    real = arms(1000, 64)
    tested = list(islice(pretext_batches([(real, torch.zeros(64))] * 4, seed=1), 4))
    assert accuracy(network, tested, total=256) > 0.5  # chance: 1 / 12

    def features(clips):
        with torch.inference_mode():
            return [Moments.of(each) for each in network(clips.float())]

    against = features(train[:64])
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(0))
    spoilt = {
        "frozen": freeze_frames(real),
        "shuffled": shuffle_frames(real, 0),
        "noisy": (real + 40 * noise).clamp(0, 255).to(torch.uint8),
    }
    distances = {
        name: [
            frechet_distance(own, other)
            for own, other in zip(features(clips), against, strict=True)
        ]
        for name, clips in {"real": real, **spoilt}.items()
    }
    for name in spoilt:
        for spoilt_distance, real_distance in zip(distances[name], distances["real"], strict=True):
            assert spoilt_distance > 2 * real_distance, (name, distances)
