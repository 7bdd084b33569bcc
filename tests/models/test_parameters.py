"""Parameters of every kind of network, counted by hand; BigGAN's own as published."""

from itertools import pairwise

import pytest
from torch import nn

from dvdgan.models.architecture import Blocks, GeneratorArchitecture, Norm, Recurrence
from dvdgan.models.discriminators import SpatialDiscriminator, TemporalDiscriminator
from dvdgan.models.generator import Generator
from dvdgan.models.meta import without_memory

Z, E, CLASSES = 10, 6, 5


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def conv(into: int, out: int, *kernel: int) -> int:
    size = 1
    for each in kernel:
        size *= each
    return into * out * size + out


def attention(width: int) -> int:
    return 2 * width * (width // 8) + 2 * width * (width // 2) + 1


def recurrence(width: int, multiplicative: bool) -> int:
    gates = 3 * conv(2 * width, width, 3, 3)
    return gates + 2 * conv(width, width, 1, 1) * multiplicative


def generator_block(into: int, out: int, condition: int, upsample: bool) -> int:
    maps = 2 * condition * (into + out)  # gain and shift of two norms, without bias
    shortcut = conv(into, out, 1, 1) if into != out or upsample else 0
    return maps + conv(into, out, 3, 3) + conv(out, out, 3, 3) + shortcut


def deep_generator_block(into: int, out: int, condition: int) -> int:
    hidden = into // 4
    maps = 2 * condition * (into + 3 * hidden)
    ends = conv(into, hidden, 1, 1) + conv(hidden, out, 1, 1)
    return maps + ends + 2 * conv(hidden, hidden, 3, 3)


def tower(channels: int, flat: int = 2, three_dimensional: int = 0) -> int:
    """BigGAN's blocks at 32 pixels; the first ones 3x3x3 where so many are."""
    widths = [3, *(constant * channels for constant in (4, 8, 16, 16))]
    total = 0
    for number, (into, out) in enumerate(pairwise(widths)):
        dimensions = 3 if number < three_dimensional else flat
        total += conv(into, out, *[3] * dimensions) + conv(out, out, *[3] * dimensions)
        total += conv(into, out, 1) if number < 3 else 0
    return total


def deep_tower(channels: int) -> int:
    """BigGAN-deep's pairs at 32 pixels, after a convolution to the first width."""
    widths = [constant * channels for constant in (4, 8, 16, 16)]
    total = conv(3, widths[0], 3, 3)
    for into, out in pairwise([widths[0], *widths]):
        hidden = out // 4
        for first in (into, out):
            total += conv(first, hidden, 1) + 2 * conv(hidden, hidden, 3, 3) + conv(hidden, out, 1)
            total += conv(first, out - first, 1) if out > first else 0
    return total


def head(channels: int, classes: int) -> int:
    width = 16 * channels
    return width + 1 + classes * width


@pytest.mark.parametrize("ch0", [None, 24])
@pytest.mark.parametrize("rule", ["multiplicative_conv_gru", "conv_gru"])
def test_a_generator_of_synthesis(rule: Recurrence, ch0: int | None) -> None:
    with without_memory():
        network = Generator(
            GeneratorArchitecture(CLASSES, 32, 4, 4, Z, E, recurrence=rule, recurrent_channels=ch0)
        )
    widths = [32, 32, 16, 8]
    first, condition = ch0 or 32, Z + E
    total = CLASSES * E + (condition + 1) * first * 16
    total += recurrence(first, rule == "multiplicative_conv_gru") + attention(first)
    for number, (wide, narrow) in enumerate(pairwise(widths)):
        total += generator_block(wide if number else first, wide, condition, False)
        total += generator_block(wide, narrow, condition, True)
    total += 3 * attention(16) + 2 * 8 + conv(8, 3, 3, 3)
    assert parameters(network) == total


def test_a_deep_generator() -> None:
    with without_memory():
        network = Generator(GeneratorArchitecture(CLASSES, 32, 4, 4, Z, E, blocks="biggan_deep"))
    total = CLASSES * E + (Z + E + 1) * 32 * 16 + recurrence(32, True) + attention(32)
    for wide, narrow in pairwise([32, 32, 16, 8]):
        total += deep_generator_block(wide, wide, Z + E)
        total += deep_generator_block(wide, narrow, Z + E)
    assert parameters(network) == total + 3 * attention(16) + 2 * 8 + conv(8, 3, 3, 3)


@pytest.mark.parametrize("norm", ["batch", "group", "layer", "instance", "none"])
def test_norms_have_no_parameters_but_the_condition_s(norm: Norm) -> None:
    with without_memory():
        paper, other = (
            Generator(GeneratorArchitecture(2, 32, 2, 1, block_norm=each, output_norm=each))
            for each in ("per_step_batch", norm)
        )
    assert parameters(other) == parameters(paper)


def test_a_generator_of_prediction() -> None:
    given, ch, encoder_ch, first = 3, 4, 2, 20
    with without_memory():
        network = Generator(
            GeneratorArchitecture(
                0,
                32,
                frames=7,
                channels=ch,
                latent_dim=Z,
                recurrent_channels=first,
                conditioning_frames=given,
                encoder_channels=encoder_ch,
            )
        )
    widths = [8 * ch, 8 * ch, 4 * ch, 2 * ch]
    skips = [16 * encoder_ch, 8 * encoder_ch, 4 * encoder_ch]  # at 4, 8 and 16 pixels
    total = tower(encoder_ch) + conv(given * 16 * encoder_ch, first, 1)
    total += (Z + 1) * first * 16 + recurrence(first, True) + attention(first)
    for number, (wide, narrow) in enumerate(pairwise(widths)):
        total += generator_block(wide if number else first, wide, Z, False)
        total += conv(wide + given * skips[number], wide, 3, 3)
        total += generator_block(wide, narrow, Z, True)
    total += 3 * attention(widths[-2]) + 2 * widths[-1] + conv(widths[-1], 3, 3, 3)
    assert parameters(network) == total


@pytest.mark.parametrize("classes", [0, 5])
def test_the_discriminators(classes: int) -> None:
    with without_memory():
        spatial = SpatialDiscriminator(classes, resolution=32, channels=2)
        temporal = TemporalDiscriminator(classes, resolution=32, channels=2)
    assert parameters(spatial) == tower(2) + head(2, classes)
    assert parameters(temporal) == tower(2, three_dimensional=2) + head(2, classes)


def test_the_deep_spatial_discriminator() -> None:
    with without_memory():
        network = SpatialDiscriminator(5, resolution=32, channels=2, blocks="biggan_deep")
    assert parameters(network) == deep_tower(2) + head(2, 5)


def deep_pair(width: int) -> int:
    """Two bottlenecks that keep a width."""
    hidden = width // 4
    ends = conv(width, hidden, 1) + conv(hidden, width, 1)
    return 2 * (ends + 2 * conv(hidden, hidden, 3, 3))


# BigGAN's discriminators of ImageNet, as its authors' PyTorch code counts them, and where the
# paper's constants or the place of attention are others: at 256 pixels BigGAN attends at 128, and
# BigGAN-deep's first pair already widens, where here a pair belongs to each constant.
@pytest.mark.parametrize(
    ("resolution", "channels", "blocks", "published"),
    [
        (128, 96, "biggan", 87_982_370),
        (256, 96, "biggan", 99_191_330 - attention(96) + attention(192)),
        (128, 128, "biggan_deep", 34_590_210 - attention(256) + attention(128) + deep_pair(128)),
    ],
)
def test_d_s_has_biggan_s_parameters(
    resolution: int, channels: int, blocks: Blocks, published: int
) -> None:
    with without_memory():
        network = SpatialDiscriminator(1000, resolution, channels, blocks)
    assert parameters(network) == published
