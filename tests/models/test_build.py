"""Params to networks of the paper's size, counted weight by weight."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from dvdgan.config.schema import Clip, Model
from dvdgan.models.build import build_discriminators, build_generator
from dvdgan.models.discriminators import SpatialDiscriminator
from dvdgan.models.generator import Generator


def built(channels: int, classes: int) -> list[nn.Module]:
    """G, D_S and D_T at 64 pixels, without memory behind their weights."""
    clip = Clip(resolution=64, frames=12, stride=2)
    model = Model(
        generator_channels=channels,
        discriminator_channels=channels,
        latent_dim=120,
        class_dim=120,
        spatial_frames=8,
    )
    with torch.device("meta"):
        discriminators = build_discriminators(model, clip, classes)
        generator = build_generator(model, clip, classes)
    return [generator, discriminators.spatial, discriminators.temporal]


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("channels", "counts"),
    [
        (8, [1_338_431, 612_785, 645_905]),
        (16, [4_006_175, 2_422_113, 2_552_865]),
        (32, [13_365_983, 9_630_401, 10_149_953]),
    ],
)
def test_small_networks_have_these_parameters(channels: int, counts: list[int]) -> None:
    assert [parameters(network) for network in built(channels, classes=101)] == counts


def test_the_paper_s_networks_have_these_millions() -> None:
    millions = [parameters(network) / 1e6 for network in built(128, classes=600)]
    assert millions == pytest.approx([182.3, 154.4, 162.7], abs=0.05)


def by_hand_generator(ch: int, classes: int, z: int, e: int) -> int:
    """The layers of G at 32 pixels, added up from the paper's description."""
    widths = [8 * ch, 8 * ch, 4 * ch, 2 * ch]
    first, half = widths[0], widths[-2]

    def conv(into: int, out: int, kernel: int) -> int:
        return into * out * kernel**2 + out

    def attention(width: int) -> int:
        return 2 * width * (width // 8) + 2 * width * (width // 2) + 1

    def block(into: int, out: int, shortcut: bool) -> int:
        maps = 2 * (z + e) * (into + out)
        return maps + conv(into, out, 3) + conv(out, out, 3) + (conv(into, out, 1) * shortcut)

    total = classes * e + (z + e + 1) * first * 16
    total += 2 * conv(first, first, 1) + 3 * conv(2 * first, first, 3) + attention(first)
    for wide, narrow in pairwise(widths):
        total += block(wide, wide, False) + block(wide, narrow, True)
    return total + 3 * attention(half) + 2 * widths[-1] + conv(widths[-1], 3, 3)


def test_the_generator_has_the_parameters_counted_by_hand() -> None:
    with torch.device("meta"):
        generator = Generator(5, 32, frames=4, channels=4, latent_dim=10, class_dim=6)
    assert parameters(generator) == by_hand_generator(4, 5, 10, 6)


def test_the_spatial_discriminator_has_the_parameters_counted_by_hand() -> None:
    with torch.device("meta"):
        network = SpatialDiscriminator(classes=5, resolution=32, channels=2)
    widths = [3, 8, 16, 32, 32]
    total = 0
    for into, out in pairwise(widths):
        total += (9 * into + 1) * out + (9 * out + 1) * out
        total += (into + 1) * out if into != out else 0
    assert parameters(network) == total + 33 + 5 * 32
