"""A square that drifts in one of four directions over noise: one frame does not show its class."""

import pytest
import torch

STEPS = ((0, 2), (0, -2), (2, 0), (-2, 0))


def _drifting_squares(count, seed, frames=12, size=32):
    """``count`` clips (count, frames, 3, size, size) uint8 and their labels 0..3."""
    generator = torch.Generator().manual_seed(seed)

    def draw(low, high, shape):
        return torch.randint(low, high, shape, generator=generator)

    labels = draw(0, len(STEPS), (count,))
    clips = draw(0, 40, (count, frames, 3, size, size)).to(torch.uint8)
    for clip, label in zip(clips, labels.tolist(), strict=True):
        picture = clip[0].clone()
        top, left = draw(0, size - 8, (2,)).tolist()
        picture[:, top : top + 8, left : left + 8] = draw(120, 256, (3, 1, 1)).to(torch.uint8)
        for frame in range(frames):
            down, right = STEPS[label]
            clip[frame] = picture.roll((frame * down, frame * right), (1, 2))
    return clips, labels


@pytest.fixture(scope="session")
def drifting_squares():
    return _drifting_squares
