"""How the discriminators' stages follow each other: sizes, widths, and where they are 3-D (A.2)."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from plain_numpy import array, halved, relu, through
from torch import nn

from dvdgan.models.architecture import Blocks
from dvdgan.models.discriminators import SpatialDiscriminator, TemporalDiscriminator
from dvdgan.models.meta import without_memory
from dvdgan.models.tower import FrameTower

# The paper's constants for 64 and 128 pixels; BigGAN's for 256; one stage less for 32.
WIDTHS = {
    32: [4, 8, 16, 16],
    64: [2, 4, 8, 16, 16],
    128: [1, 2, 4, 8, 16, 16],
    256: [1, 2, 4, 8, 8, 16, 16],
}

every_resolution = pytest.mark.parametrize("resolution", list(WIDTHS))
both_blocks = pytest.mark.parametrize("blocks", ["biggan", "biggan_deep"])


@every_resolution
@both_blocks
def test_every_stage_but_the_last_halves_down_to_4_pixels(resolution: int, blocks: Blocks) -> None:
    with without_memory():
        features = FrameTower(resolution, 4, blocks)(torch.empty(2, 3, resolution, resolution))
    sizes = [resolution // 2 ** (number + 1) for number in range(len(WIDTHS[resolution]) - 1)] + [4]
    widths = [4 * width for width in WIDTHS[resolution]]
    assert [tuple(maps.shape) for maps in features] == [
        (2, width, size, size) for width, size in zip(widths, sizes, strict=True)
    ]


def test_a_tower_is_biggan_s_blocks_one_after_another() -> None:
    """At 32 pixels, where it has no attention: image without relu first, last stage not halved."""
    tower = FrameTower(32, 1, "biggan").eval()
    image = torch.rand(1, 3, 32, 32) * 2 - 1
    got = tower(image)
    h = array(image[0])
    for number, (stage, (into, out)) in enumerate(
        zip(tower, pairwise([3, *WIDTHS[32]]), strict=True)
    ):
        block, last = stage[0], number == 3
        shortcut = through(block.shortcut, h) if into != out or not last else h
        h = through(block.conv1, h if number == 0 else relu(h))
        h = through(block.conv2, relu(h)) + shortcut
        h = h if last else halved(h)
        np.testing.assert_allclose(array(got[number][0]), h, atol=1e-4)


def sizes_of_weights(network: nn.Module) -> list[tuple[int, ...]]:
    convolutions = (nn.Conv2d, nn.Conv3d)
    return [
        tuple(module.weight.shape[2:])
        for module in network.modules()
        if isinstance(module, convolutions)
    ]


@every_resolution
def test_two_blocks_of_d_t_are_3_d_and_no_more(resolution: int) -> None:
    with without_memory():
        network = TemporalDiscriminator(classes=2, resolution=resolution, channels=1)
    two_blocks = [(3, 3, 3), (3, 3, 3), (1, 1, 1)] * 2
    assert sizes_of_weights(network.stages_3d) == two_blocks
    later = sizes_of_weights(network.stages_2d)
    assert set(later) == {(3, 3), (1, 1)}
    assert later.count((3, 3)) == 2 * (len(WIDTHS[resolution]) - 2)


def test_two_bottlenecks_of_deep_d_t_are_3_d_and_no_more() -> None:
    network = TemporalDiscriminator(classes=2, resolution=32, channels=1, blocks="biggan_deep")
    stem = [(3, 3, 3)]
    block = [(1, 1, 1), (3, 3, 3), (3, 3, 3), (1, 1, 1)]
    assert sizes_of_weights(network.stages_3d) == stem + 2 * block
    assert {len(size) for size in sizes_of_weights(network.stages_2d)} == {2}
    assert sizes_of_weights(network.stages_2d).count((3, 3)) == 3 * 2 * 2


@pytest.mark.parametrize(
    ("frames", "steps"), [(1, [1, 1]), (2, [1, 1]), (3, [2, 1]), (5, [3, 2]), (12, [6, 3])]
)
def test_the_3_d_blocks_halve_time_rounded_up(frames: int, steps: list[int]) -> None:
    network = TemporalDiscriminator(classes=2, resolution=32, channels=1).eval()
    seen: list[tuple[int, ...]] = []
    for stage in network.stages_3d:
        stage.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape)))
    network(torch.randn(2, frames, 3, 16, 16), torch.tensor([0, 1]))
    assert seen == [(2, 4, steps[0], 8, 8), (2, 8, steps[1], 4, 4)]


@pytest.mark.parametrize("frames", [5, 6])
def test_d_t_folds_time_after_its_3_d_blocks_and_sums_it_at_the_head(frames: int) -> None:
    network = TemporalDiscriminator(classes=3, resolution=32, channels=1).eval()
    video, labels = torch.rand(2, frames, 3, 16, 16) * 2 - 1, torch.tensor([2, 0])
    scores = array(network(video, labels))
    for clip, label, score in zip(array(video), labels.tolist(), scores, strict=True):
        h = clip.transpose(1, 0, 2, 3)  # channels first
        for number, stage in enumerate(network.stages_3d):
            block, x = stage[0], h
            h = through(block.conv1, relu(h) if number else h)
            h = halved(through(block.conv2, relu(h)) + through(block.shortcut, x))
        pooled = np.zeros(16)
        for step in h.transpose(1, 0, 2, 3):
            third, last = (stage[0] for stage in network.stages_2d)
            features = through(third.conv2, relu(through(third.conv1, relu(step))))
            features = halved(features + through(third.shortcut, step))
            change = through(last.conv2, relu(through(last.conv1, relu(features))))
            pooled += relu(features + change).sum(axis=(1, 2))
        head = network.head
        expected = (array(head.linear.weight)[0] + array(head.embedding.weight)[label]) @ pooled
        expected += array(head.linear.bias)[0]
        np.testing.assert_allclose(score, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("k", [1, 3])
def test_d_s_sums_the_scores_of_its_frames(k: int) -> None:
    network = SpatialDiscriminator(classes=3, resolution=32, channels=1).eval()
    frames, labels = torch.rand(2, k, 3, 32, 32) * 2 - 1, torch.tensor([2, 0])
    scores = array(network(frames, labels))
    head = network.head
    weight, bias = array(head.linear.weight)[0], array(head.linear.bias)[0]
    for clip, label in enumerate(labels.tolist()):
        expected = 0.0
        for frame in range(k):
            last = array(network.tower(frames[clip, frame][None])[-1][0])
            pooled = relu(last).sum(axis=(1, 2))
            expected += (weight + array(head.embedding.weight)[label]) @ pooled + bias
        np.testing.assert_allclose(scores[clip], expected, rtol=1e-4, atol=1e-4)
