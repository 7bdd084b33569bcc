"""Controls keep the frames and lose the motion."""

import pytest
import torch

from dvdgan.evaluation.controls import freeze_frames, repeat_last_given, shuffle_frames


def clips(count, frames, seed=0):
    """Every pixel is another number, so that frames can be distinguished."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, frames, 3, 4, 4), generator=generator, dtype=torch.uint8)


def test_a_frozen_clip_is_its_middle_frame():
    real = clips(2, 5)
    for clip, still in zip(real, freeze_frames(real), strict=True):
        assert all(frame.equal(clip[2]) for frame in still)


def test_a_held_clip_stops_at_its_last_given_frame():
    real = clips(2, 5)
    stopped = repeat_last_given(real, 2)
    assert stopped[:, :2].equal(real[:, :2])
    assert all(stopped[:, frame].equal(real[:, 1]) for frame in (2, 3, 4))


def test_a_shuffled_clip_has_its_own_frames_in_another_order():
    real = clips(200, 3)
    seen = set()
    for clip, changed in zip(real, shuffle_frames(real, seed=0), strict=True):
        order = tuple(
            next(place for place, frame in enumerate(clip) if frame.equal(other))
            for other in changed
        )
        assert sorted(order) == [0, 1, 2]
        seen.add(order)
    assert len(seen) == 5  # all 3! but the true one


def test_the_order_belongs_to_the_clip_not_to_its_batch():
    real = clips(7, 6)
    whole = shuffle_frames(real, seed=4)
    parts = torch.cat([shuffle_frames(real[:3], 4), shuffle_frames(real[3:], 4, first=3)])
    assert whole.equal(parts)
    assert not whole.equal(shuffle_frames(real, seed=5))


def test_one_frame_has_no_order():
    with pytest.raises(ValueError, match="cannot be shuffled"):
        shuffle_frames(clips(1, 1), seed=0)


def test_nothing_is_changed_in_place():
    real = clips(2, 4)
    kept = real.clone()
    for control in (freeze_frames(real), repeat_last_given(real, 2), shuffle_frames(real, 0)):
        control.zero_()
        assert real.equal(kept)
