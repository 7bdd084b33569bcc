"""Resize rules against plain loops, one pixel at a time."""

import math

import numpy as np
import pytest
import torch

from dvdgan.evaluation.networks.resize import RULES, resize


def cubic(distance, a=-0.75):
    x = abs(distance)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def weights(rule, length, size):
    """(size, length): the share of every input in every output along one axis."""
    shares = np.zeros((size, length))
    for output in range(size):
        place = {
            "bilinear_legacy": output * length / size,
            "bilinear": max((output + 0.5) * length / size - 0.5, 0),
            "bilinear_align_corners": output * (length - 1) / (size - 1),
            "bicubic": (output + 0.5) * length / size - 0.5,
        }[rule]
        low = math.floor(place)
        if rule == "bicubic":
            for near in range(low - 1, low + 3):
                shares[output, min(max(near, 0), length - 1)] += cubic(place - near)
        else:
            shares[output, min(low, length - 1)] += 1 - (place - low)
            shares[output, min(low + 1, length - 1)] += place - low
    return shares


@pytest.mark.parametrize("rule", sorted(RULES.keys() - {"none"}))
@pytest.mark.parametrize(("height", "width", "size"), [(5, 9, 14), (16, 11, 7), (64, 64, 224)])
def test_a_rule_is_its_definition(rule, height, width, size):
    frames = torch.rand(2, 3, 3, height, width, generator=torch.Generator().manual_seed(0)) * 255
    down, across = weights(rule, height, size), weights(rule, width, size)
    expected = np.einsum("ih,bcdhw,jw->bcdij", down, frames.double().numpy(), across, optimize=True)
    found = resize(frames, size, rule)
    assert found.shape == (2, 3, 3, size, size)
    # The places are computed in float32, as the originals do.
    assert np.abs(found.numpy() - expected).max() < 2e-3


def test_none_leaves_frames_as_they_are():
    frames = torch.rand(1, 2, 3, 5, 6)
    assert torch.equal(resize(frames, 224, "none"), frames)


def test_at_equal_size_every_rule_is_none():
    frames = torch.rand(1, 2, 3, 32, 32) * 255
    for rule in RULES:
        torch.testing.assert_close(resize(frames, 32, rule), frames)


def test_the_legacy_grid_is_another_one():
    """metrics differ by it: 11 grey levels a pixel from 64 to 224."""
    frames = torch.randint(0, 256, (1, 1, 3, 64, 64)).float()
    gap = (resize(frames, 224, "bilinear_legacy") - resize(frames, 224, "bilinear")).abs().mean()
    assert gap > 5
