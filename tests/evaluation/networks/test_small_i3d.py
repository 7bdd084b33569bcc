"""The feature network: shapes, range, and that it learns motion in a short training."""

from itertools import count

import pytest
import torch

from dvdgan.errors import UserError
from dvdgan.evaluation.networks.clip_network import centred
from dvdgan.evaluation.networks.small_i3d import SmallI3D, accuracy, train_small_i3d


@pytest.mark.parametrize(("frames", "pixels"), [(2, 32), (3, 64), (16, 48), (5, 128)])
def test_any_length_from_two_frames_and_32_to_128_pixels(frames, pixels):
    found = SmallI3D(classes=5, width=8).eval()(torch.zeros(2, frames, 3, pixels, pixels))
    assert found.pooled.shape == (2, 64)
    assert found.logits.shape == (2, 5)


def test_centred_maps_black_and_white_to_minus_one_and_one():
    levels = torch.tensor([0, 255, 51], dtype=torch.uint8)
    torch.testing.assert_close(centred(levels), torch.tensor([-1.0, 1.0, -0.6]))


def test_every_weight_has_a_gradient():
    network = SmallI3D(classes=3, width=4)
    network(255 * torch.rand(4, 4, 3, 32, 32)).logits.square().sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in network.parameters())


def trained(drifting_squares, seed, steps):
    torch.manual_seed(seed)
    network = SmallI3D(classes=4, width=8)
    batches = (drifting_squares(16, seed) for seed in count())
    train_small_i3d(batches, network, steps, learning_rate=3e-3)
    return network


def test_it_learns_motion_and_keeps_it_in_evaluation_mode(drifting_squares):
    network = trained(drifting_squares, seed=0, steps=60)
    held_out = [drifting_squares(16, 10**6 + seed) for seed in range(4)]
    assert not network.training
    assert accuracy(network, held_out, total=64) > 0.9
    # Only motion distinguishes the classes: played backwards, they swap in pairs.
    backwards = [(clips.flip(1), labels ^ 1) for clips, labels in held_out]
    assert accuracy(network, backwards, total=64) > 0.9


def test_equal_seeds_train_equal_networks(drifting_squares):
    one, other = (trained(drifting_squares, seed=3, steps=2).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_accuracy_counts():
    class AlwaysTwo(torch.nn.Module):
        def forward(self, clips):
            return SmallI3D(classes=3, width=4)(clips)._replace(
                logits=torch.tensor([[0.0, 0.0, 1.0]]).expand(len(clips), 3)
            )

    clips = torch.zeros(4, 2, 3, 32, 32, dtype=torch.uint8)
    assert accuracy(AlwaysTwo(), [(clips, torch.tensor([2, 2, 1, 2]))], 4) == 0.75
    with pytest.raises(UserError, match="no clips"):
        accuracy(AlwaysTwo(), [], 0)
