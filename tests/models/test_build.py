"""Params to networks of the paper's size, counted weight by weight."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from dvdgan.config.schema import Clip, Model
from dvdgan.models.architecture import GeneratorArchitecture
from dvdgan.models.build import build_discriminators, build_generator
from dvdgan.models.discriminators import SpatialDiscriminator
from dvdgan.models.generator import Generator


def built(
    channels: int, classes: int, resolution: int = 64, frames: int = 12, **changes: object
) -> list[int]:
    """Parameters of G, D_S and D_T, built without memory behind their weights."""
    clip = Clip(resolution=resolution, frames=frames, stride=2)
    choices = {
        "generator_channels": channels,
        "discriminator_channels": channels,
        "latent_dim": 120,
        "class_dim": 120,
        "recurrent_channels": None,
        "recurrence": "by_length",
        "blocks": "biggan",
        "block_norm": "per_step_batch",
        "output_norm": "per_step_batch",
        "conditioning_frames": 0,
        "discriminators": "dual",
        "spatial_frames": 8,
        "phi": "average_pool_2x2",
    }
    model = Model.model_validate(choices | changes)
    with torch.device("meta"):
        both = build_discriminators(model, clip, classes)
        networks = [build_generator(model, clip, classes), both.spatial, both.temporal]
    return [0 if network is None else parameters(network) for network in networks]


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
    assert built(channels, classes=101) == counts


@pytest.mark.parametrize(
    ("channels", "resolution", "frames", "blocks", "millions"),
    [
        (128, 64, 12, "biggan", 182.3),
        (64, 64, 48, "biggan", 47.7),
        (64, 128, 12, "biggan", 143.3),
        (128, 64, 12, "biggan_deep", 82.0),
        (64, 64, 48, "biggan_deep", 22.5),
        (64, 128, 12, "biggan_deep", 76.8),
    ],
)
def test_the_paper_s_generators_have_these_millions(
    channels: int, resolution: int, frames: int, blocks: str, millions: float
) -> None:
    generator, *_ = built(channels, 600, resolution, frames, blocks=blocks)
    assert generator / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize(("resolution", "millions"), [(64, [154.4, 162.7]), (128, [154.9, 157.0])])
def test_the_paper_s_discriminators_have_these_millions(
    resolution: int, millions: list[float]
) -> None:
    _, *both = built(128, 600, resolution)
    assert [count / 1e6 for count in both] == pytest.approx(millions, abs=0.05)


def test_an_ablation_builds_one_discriminator() -> None:
    _, spatial, temporal = built(8, 101)
    assert built(8, 101, discriminators="spatial")[1:] == [spatial, 0]
    assert built(8, 101, discriminators="temporal")[1:] == [0, temporal]


def conv(into: int, out: int, kernel: int) -> int:
    return into * out * kernel**2 + out


def attention(width: int) -> int:
    return 2 * width * (width // 8) + 2 * width * (width // 2) + 1


def by_hand_stages(widths: list[int], condition: int) -> int:
    """Both blocks of every stage: maps of four norms, four 3x3 convolutions, one shortcut."""

    def block(into: int, out: int, shortcut: bool) -> int:
        maps = 2 * condition * (into + out)
        return maps + conv(into, out, 3) + conv(out, out, 3) + (conv(into, out, 1) * shortcut)

    return sum(
        block(wide, wide, False) + block(wide, narrow, True) for wide, narrow in pairwise(widths)
    )


def by_hand_generator(ch: int, classes: int, z: int, e: int, multiplicative: bool) -> int:
    """The layers of G at 32 pixels, added up from the paper's description."""
    widths = [8 * ch, 8 * ch, 4 * ch, 2 * ch]
    first, half = widths[0], widths[-2]
    total = classes * e + (z + e + 1) * first * 16
    total += 3 * conv(2 * first, first, 3) + multiplicative * 2 * conv(first, first, 1)
    total += attention(first) + by_hand_stages(widths, z + e)
    return total + 3 * attention(half) + 2 * widths[-1] + conv(widths[-1], 3, 3)


@pytest.mark.parametrize(("frames", "multiplicative"), [(4, True), (48, False)])
def test_the_generator_has_the_parameters_counted_by_hand(
    frames: int, multiplicative: bool
) -> None:
    with torch.device("meta"):
        generator = Generator(GeneratorArchitecture(5, 32, frames, 4, latent_dim=10, class_dim=6))
    assert parameters(generator) == by_hand_generator(4, 5, 10, 6, multiplicative)


def by_hand_tower(widths: list[int]) -> int:
    total = 0
    for into, out in pairwise([3, *widths]):
        total += conv(into, out, 3) + conv(out, out, 3) + (conv(into, out, 1) * (into != out))
    return total


def test_the_predictor_has_the_parameters_counted_by_hand() -> None:
    """Two frames of 32 pixels given; ch of G 4, of the encoder 2; ch0 the first layer's."""
    z, given = 10, 2
    widths, encoder = [32, 32, 16, 8], [8, 16, 32, 32]
    with torch.device("meta"):
        network = Generator(
            GeneratorArchitecture(
                0, 32, 6, 4, latent_dim=z, conditioning_frames=given, encoder_channels=2
            )
        )
    total = (z + 1) * 32 * 16 + 3 * conv(64, 32, 3) + 2 * conv(32, 32, 1) + attention(32)
    total += by_hand_stages(widths, z)
    total += by_hand_tower(encoder) + conv(given * 32, 32, 1)
    # Skips at 4, 8 and 16 pixels: the encoder's last features of that resolution join G's.
    for own, other in ((32, 32), (32, 16), (16, 8)):
        total += conv(own + given * other, own, 3)
    total += 3 * attention(16) + 2 * 8 + conv(8, 3, 3)
    assert parameters(network) == total


def test_the_spatial_discriminator_has_the_parameters_counted_by_hand() -> None:
    with torch.device("meta"):
        network = SpatialDiscriminator(classes=5, resolution=32, channels=2)
    assert parameters(network) == by_hand_tower([8, 16, 32, 32]) + 33 + 5 * 32
