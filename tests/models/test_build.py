"""Params to networks: every key arrives, and the paper's sizes have the paper's parameters."""

from dataclasses import fields

import pytest
from torch import nn

from dvdgan.config.schema import Clip, Model
from dvdgan.models.architecture import DiscriminatorArchitecture, GeneratorArchitecture
from dvdgan.models.build import (
    build_discriminators,
    build_generator,
    discriminator_architecture,
    generator_architecture,
)
from dvdgan.models.meta import without_memory

SMALL = {
    "generator_channels": 3,
    "discriminator_channels": 2,
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


def model(**values: object) -> Model:
    return Model(**(SMALL | values))


def clip(resolution: int = 64, frames: int = 12) -> Clip:
    return Clip(resolution=resolution, frames=frames, stride=2)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("generator_channels", 7, "channels"),
        ("latent_dim", 9, "latent_dim"),
        ("class_dim", 9, "class_dim"),
        ("recurrent_channels", 9, "recurrent_channels"),
        ("recurrence", "conv_gru", "recurrence"),
        ("blocks", "biggan_deep", "blocks"),
        ("block_norm", "group", "block_norm"),
        ("output_norm", "layer", "output_norm"),
    ],
)
def test_a_key_of_the_generator_arrives_at_its_field_alone(
    key: str, value: object, field: str
) -> None:
    before = generator_architecture(model(), clip(), classes=5)
    after = generator_architecture(model(**{key: value}), clip(), classes=5)
    assert changed(before, after) == {field}
    assert getattr(after, field) == value


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("discriminator_channels", 7, "channels"),
        ("blocks", "biggan_deep", "blocks"),
        ("discriminators", "spatial", "kinds"),
        ("phi", "identity", "phi"),
    ],
)
def test_a_key_of_the_discriminators_arrives_at_its_field_alone(
    key: str, value: object, field: str
) -> None:
    before = discriminator_architecture(model(), clip(), classes=5)
    after = discriminator_architecture(model(**{key: value}), clip(), classes=5)
    assert changed(before, after) == {field}
    assert getattr(after, field) == value


def changed(one: object, other: object) -> set[str]:
    return {f.name for f in fields(one) if getattr(one, f.name) != getattr(other, f.name)}


def test_the_defaults_of_an_architecture_are_the_paper_s() -> None:
    """Those of SMALL, which names them: what a bundle need not contain."""
    built = generator_architecture(model(), clip(), classes=5)
    assert built == GeneratorArchitecture(classes=5, resolution=64, frames=12, channels=3)
    judges = discriminator_architecture(model(), clip(), classes=5)
    assert judges == DiscriminatorArchitecture(classes=5, resolution=64, channels=2)


def test_prediction_knows_no_classes_and_reads_frames_with_d_s_s_width() -> None:
    predicting = model(conditioning_frames=5)
    built = generator_architecture(predicting, clip(), classes=600)
    assert (built.classes, built.conditioning_frames) == (0, 5)
    assert (built.encoder_channels, built.generated_frames) == (2, 7)
    assert discriminator_architecture(predicting, clip(), classes=600).classes == 0


def generator(channels: int, resolution: int, frames: int, classes: int, blocks: str) -> int:
    """Parameters of G."""
    made = model(generator_channels=channels, blocks=blocks)
    with without_memory():
        return parameters(build_generator(made, clip(resolution, frames), classes))


def judges(channels: int, resolution: int, classes: int) -> list[int]:
    """Parameters of D_S and D_T."""
    made = model(discriminator_channels=channels)
    with without_memory():
        both = build_discriminators(made, clip(resolution), classes)
    return [parameters(both.spatial), parameters(both.temporal)]


@pytest.mark.parametrize(
    ("channels", "counts"),
    [
        (8, [1_338_431, 612_785, 645_905]),
        (16, [4_006_175, 2_422_113, 2_552_865]),
        (32, [13_365_983, 9_630_401, 10_149_953]),
    ],
)
def test_small_networks_have_these_parameters(channels: int, counts: list[int]) -> None:
    small = generator(channels, 64, 12, classes=101, blocks="biggan")
    assert [small, *judges(channels, 64, classes=101)] == counts


@pytest.mark.parametrize(("channels", "millions"), [(8, 0.92), (16, 2.39), (32, 7.01)])
def test_small_deep_generators_have_these_millions(channels: int, millions: float) -> None:
    deep = generator(channels, 64, 12, classes=101, blocks="biggan_deep")
    assert deep / 1e6 == pytest.approx(millions, abs=0.005)


# Of G by a formula from the paper's description, for Kinetics-600.
@pytest.mark.parametrize(
    ("channels", "resolution", "frames", "plain", "deep"),
    [(128, 64, 12, 182.3, 82.0), (64, 64, 48, 47.7, 22.5), (64, 128, 12, 143.3, 76.8)],
)
def test_the_paper_s_generators_have_these_millions(
    channels: int, resolution: int, frames: int, plain: float, deep: float
) -> None:
    for blocks, millions in (("biggan", plain), ("biggan_deep", deep)):
        count = generator(channels, resolution, frames, classes=600, blocks=blocks)
        assert count / 1e6 == pytest.approx(millions, abs=0.05), blocks


@pytest.mark.parametrize(("resolution", "millions"), [(64, [154.4, 162.7]), (128, [154.9, 157.0])])
def test_the_paper_s_discriminators_have_these_millions(
    resolution: int, millions: list[float]
) -> None:
    counts = judges(128, resolution, classes=600)
    assert [count / 1e6 for count in counts] == pytest.approx(millions, abs=0.05)
