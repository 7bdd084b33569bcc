"""C3D: size, a plain loop over its preprocessing and first layers, the order of channels."""

import numpy as np
import pytest
import torch

from dvdgan.errors import UserError
from dvdgan.evaluation.networks.c3d import C3D, CONVOLUTIONS


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = C3D(101).eval()
    network.mean.uniform_(80, 120)
    return network


@pytest.fixture(scope="module")
def clips():
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (1, 16, 3, 128, 128), generator=generator).float()


@pytest.fixture(scope="module")
def answered(network, clips):
    """What the network says of the clips, and its first convolution."""
    seen = []
    hook = network.convolutions["conv1a"].register_forward_hook(
        lambda module, inputs, output: seen.append(output)
    )
    with torch.inference_mode():
        answer = network(clips)
    hook.remove()
    return answer, seen[0]


def test_it_has_the_published_number_of_parameters(network):
    assert sum(weight.numel() for weight in network.parameters()) == 78_409_573
    first = network.convolutions["conv1a"]
    assert sum(weight.numel() for weight in first.parameters()) == 5248


def test_shapes(network, answered):
    pooled, logits = answered[0]
    with torch.inference_mode():
        torch.testing.assert_close(logits, network.fc8(pooled))
    assert pooled.shape == (1, 4096) and logits.shape == (1, 101)
    assert pooled.min() == 0  # after the ReLU


def test_other_lengths_are_refused(network):
    for frames in (15, 17):
        with pytest.raises(UserError, match="16 frames"):
            network(torch.zeros(1, frames, 3, 128, 128))


def test_the_first_convolution_sees_bgr_minus_mean_cropped(network, clips, answered):
    """One output of conv1a by hand: cropped at 8, channels reversed, zero padding."""
    first = answered[1]
    kernel = network.convolutions["conv1a"].weight.detach().double().numpy()
    bias = network.convolutions["conv1a"].bias.detach().double().numpy()
    frames, mean = clips[0].double().numpy(), network.mean.double().numpy()
    for channel, t, y, x in ((0, 0, 0, 0), (5, 3, 60, 111), (63, 15, 111, 40)):
        total = bias[channel]
        for dt in range(3):
            for dy in range(3):
                for dx in range(3):
                    at = (t + dt - 1, y + dy - 1, x + dx - 1)
                    if not all(0 <= p < n for p, n in zip(at, (16, 112, 112), strict=True)):
                        continue
                    for colour in range(3):  # blue, green, red
                        level = frames[at[0], 2 - colour, at[1] + 8, at[2] + 8]
                        level -= mean[colour, at[0], at[1], at[2]]
                        total += kernel[channel, colour, dt, dy, dx] * level
        assert first[0, channel, t, y, x].item() == pytest.approx(total, rel=1e-4, abs=1e-3)


def test_the_wrong_order_of_channels_is_seen(network, clips, answered):
    right = answered[0].pooled
    with torch.inference_mode():
        wrong = network(clips.flip(2)).pooled
    assert (right - wrong).norm() / right.norm() > 1e-3


def test_the_last_pool_keeps_what_does_not_fill_a_window():
    """7 x 7 becomes 4 x 4, as Caffe rounds: fc6 takes 512 x 4 x 4."""
    network = C3D(2).eval()
    for name in CONVOLUTIONS:  # each copies channel 0 into all
        convolution = network.convolutions[name]
        torch.nn.init.zeros_(convolution.weight)
        torch.nn.init.zeros_(convolution.bias)
        convolution.weight.data[:, 0, 1, 1, 1] = 1
    seen = []
    network.fc6.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    clips = torch.zeros(1, 16, 3, 128, 128)
    clips[0, 5, 2, 8 + 111, 8 + 111] = 7  # the last pixel of the crop, in blue
    with torch.inference_mode():
        network(clips)
    grid = seen[0].reshape(512, 1, 4, 4).numpy()
    assert np.array_equal(np.argwhere(grid[0, 0] == 7), [[3, 3]])
