"""Multiply-adds, memory and savings against plain loops over the paper's layers."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dvdgan.models import conditional_norm
from dvdgan.models.architecture import DiscriminatorArchitecture, GeneratorArchitecture
from dvdgan.models.cost import (
    LayerCost,
    ModelCost,
    NetworkCost,
    attention_cost,
    generator_cost,
    model_cost,
    network_cost,
)
from dvdgan.models.discriminators import SpatialDiscriminator, TemporalDiscriminator
from dvdgan.models.generator import Generator
from dvdgan.models.meta import without_memory
from dvdgan.reporting.costs import cost_page

CONSTANTS_OF_G = {32: [8, 8, 4, 2], 64: [8, 8, 8, 4, 2], 128: [16, 16, 8, 4, 2, 1]}
CONSTANTS_OF_D = {32: [4, 8, 16, 16], 64: [2, 4, 8, 16, 16], 128: [1, 2, 4, 8, 16, 16]}

K, CLASSES = 3, 7


def conv(into: int, out: int, kernel: int, positions: int) -> int:
    return into * out * kernel * positions


def attention(channels: int, positions: int, attended: int) -> int:
    """Four 1x1 convolutions, queries times keys, weights times values. Query and key are padded to
    the width of the value; ``attended`` positions for each of ``positions``."""
    narrow, wide = max(channels // 8, 1), max(channels // 2, 1)
    maps = conv(channels, narrow, 1, positions) * 2 + conv(channels, wide, 1, positions) * 2
    return maps + 2 * positions * attended * wide


def g_block(into: int, out: int, size: int, doubles: bool, frames: int, condition: int) -> int:
    inner = size * (2 if doubles else 1)
    total = condition * 2 * (into + out)  # scale and shift of two norms, once a clip
    total += frames * conv(into, out, 9, inner**2) + frames * conv(out, out, 9, inner**2)
    if into != out or doubles:
        total += frames * conv(into, out, 1, size**2)  # before its pixels are copied
    return total


def by_hand_generator(a: GeneratorArchitecture) -> int:
    """The layers of G from the paper's A.2 and A.4, one after another."""
    widths = [a.channels * constant for constant in CONSTANTS_OF_G[a.resolution]]
    ch0 = a.recurrent_channels or widths[0]
    frames = a.frames - a.conditioning_frames
    condition = a.latent_dim + (a.class_dim if a.classes else 0)
    total = conv(condition, ch0, 1, 16)
    # r, u and c see [g; x]. x is the same at every step, and so are its terms: once a clip.
    total += 3 * conv(ch0, ch0, 9, 16) * frames + 3 * conv(ch0, ch0, 9, 16)
    if a.frames < 48:
        total += conv(ch0, ch0, 1, 16) * frames + conv(ch0, ch0, 1, 16)
    total += attention(ch0, frames * 16, frames * 16)
    if a.conditioning_frames:
        total += a.conditioning_frames * by_hand_tower(a.resolution, a.encoder_channels)
        last = a.encoder_channels * CONSTANTS_OF_D[a.resolution][-1]
        total += conv(a.conditioning_frames * last, ch0, 1, 16)
    size, into = 4, ch0
    for number, (wide, narrow) in enumerate(pairwise(widths)):
        if number == len(widths) - 2:
            positions = frames * size**2
            total += 2 * attention(wide, positions, size) + attention(wide, positions, frames)
        total += g_block(into, wide, size, False, frames, condition)
        if a.conditioning_frames:
            skip = a.conditioning_frames * a.encoder_channels * skip_constant(a.resolution, size)
            total += frames * conv(wide, wide, 9, size**2) + conv(skip, wide, 9, size**2)
        total += g_block(wide, narrow, size, True, frames, condition)
        size, into = size * 2, narrow
    return total + frames * conv(into, 3, 9, size**2)


def skip_constant(resolution: int, size: int) -> int:
    """The constant of D_S's last stage whose features are ``size`` wide."""
    sizes = [max(resolution >> (n + 1), 4) for n in range(len(CONSTANTS_OF_D[resolution]))]
    return dict(zip(sizes, CONSTANTS_OF_D[resolution], strict=True))[size]


def by_hand_tower(resolution: int, channels: int) -> int:
    """D_S's residual blocks on one frame."""
    total, into, size = 0, 3, resolution
    constants = CONSTANTS_OF_D[resolution]
    for number, constant in enumerate(constants):
        out = channels * constant
        total += conv(into, out, 9, size**2) + conv(out, out, 9, size**2)
        if number < len(constants) - 1:
            size //= 2
            total += conv(into, out, 1, size**2)  # after pooling
            if size == 64:
                total += attention(out, size**2, size**2 // 4)  # keys and values pooled 2x2
        into = out
    return total


def by_hand_temporal(resolution: int, channels: int, size: int, frames: int, in_3d: int) -> int:
    """D_T on ``frames`` of ``size`` pixels; widths of ``resolution``."""
    total, into = channels * CONSTANTS_OF_D[resolution][-1], 3
    constants = CONSTANTS_OF_D[resolution]
    for number, constant in enumerate(constants):
        out, kernel = channels * constant, 27 if number < in_3d else 9
        total += conv(into, out, kernel, frames * size**2)
        total += conv(out, out, kernel, frames * size**2)
        if number < len(constants) - 1:
            size //= 2
            frames = -(-frames // 2) if number < in_3d else frames
            total += conv(into, out, 1, frames * size**2)
        into = out
    return total


PAPERS_12X64 = {"resolution": 64, "frames": 12, "channels": 128}
SYNTHESIS = [
    {"resolution": 32, "frames": 5, "channels": 4},
    PAPERS_12X64,
    {"resolution": 32, "frames": 48, "channels": 2, "recurrent_channels": 24},
    {"resolution": 128, "frames": 3, "channels": 8},
]
PREDICTION = {
    "resolution": 64,
    "frames": 8,
    "channels": 4,
    "recurrent_channels": 16,
    "conditioning_frames": 3,
    "encoder_channels": 2,
}


@pytest.mark.parametrize("sizes", SYNTHESIS, ids=lambda sizes: f"{sizes['resolution']}px")
def test_the_generator_has_the_multiply_adds_counted_by_hand(sizes: dict[str, int]) -> None:
    architecture = GeneratorArchitecture(CLASSES, **sizes)
    assert generator_cost(architecture).multiply_adds == by_hand_generator(architecture)


def test_the_predictor_has_the_multiply_adds_counted_by_hand() -> None:
    architecture = GeneratorArchitecture(0, **PREDICTION)
    cost = generator_cost(architecture)
    assert cost.multiply_adds == by_hand_generator(architecture)
    assert {layer.name.partition(".")[0] for layer in cost.layers} > {"encoder", "initial"}


@pytest.fixture(scope="module")
def papers() -> ModelCost:
    """Table 1's first row."""
    return model_cost(
        GeneratorArchitecture(600, **PAPERS_12X64),
        DiscriminatorArchitecture(600, resolution=64, channels=128),
        k=8,
    )


def test_the_discriminators_have_the_multiply_adds_counted_by_hand(papers: ModelCost) -> None:
    spatial = 8 * (by_hand_tower(64, 128) + 16 * 128)
    assert papers.discriminators["D_S"].multiply_adds == spatial
    temporal = by_hand_temporal(64, 128, size=32, frames=12, in_3d=2)
    assert papers.discriminators["D_T"].multiply_adds == temporal
    full = by_hand_temporal(64, 128, size=64, frames=12, in_3d=5)
    assert papers.full_discriminator.multiply_adds == full


def test_the_paper_s_networks_have_these_parameters(papers: ModelCost) -> None:
    networks = [papers.generator, *papers.discriminators.values()]
    counts = [network.parameters for network in networks]
    assert counts == [182_265_671, 154_411_777, 162_683_137]
    for network in networks:
        assert sum(layer.parameters for layer in network.layers) == network.parameters
        assert sum(layer.multiply_adds for layer in network.layers) == network.multiply_adds
        assert sum(layer.kept for layer in network.layers) <= network.kept


def test_a_train_step_takes_what_was_measured_of_it(papers: ModelCost) -> None:
    """Counted and measured in real steps on an H100, see docs/speed.md."""
    assert papers.train_step(discriminator_steps=2) == pytest.approx(68_522e9 / 16, rel=0.001)
    assert papers.checkpoint_bytes == pytest.approx(6.727e9, rel=0.002)
    assert 1 < papers.train_memory(32) / (41.6 * 2**30) < 1.4  # measured in bf16


def test_a_train_step_needs_its_weights_and_the_larger_of_two_updates(papers: ModelCost) -> None:
    g, d = papers.generator, list(papers.discriminators.values())
    kept_of_everything = [  # weights, gradients, both moments; of G also the average
        4 * (5 if network is g else 4) * network.parameters for network in (g, *d)
    ]
    for clips in (1, 32):
        update_of_d = sum(each.kept_once + 2 * clips * each.kept for each in d)
        update_of_g = sum(each.kept_once + clips * each.kept for each in (g, *d))
        assert update_of_g > update_of_d  # of these networks
        assert papers.train_memory(clips) == sum(kept_of_everything) + update_of_g


def test_the_page_about_model_shows_what_is_printed(papers: ModelCost) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "model.md"
    printed = cost_page(papers, batch=512)
    assert printed in page.read_text(encoding="utf-8"), f"docs/model.md shows another:\n{printed}"


def test_the_discriminators_see_fewer_pixels_and_take_less_work(papers: ModelCost) -> None:
    assert papers.pixels_seen == {"D_S": 8 * 64 * 64, "D_T": 12 * 32 * 32}  # paper 3.1
    assert papers.clip_pixels == 12 * 64 * 64
    work = sum(network.multiply_adds for network in papers.discriminators.values())
    assert papers.full_discriminator.multiply_adds / work > 1


def test_long_clips_save_more_and_memory_too() -> None:
    cost = model_cost(
        GeneratorArchitecture(5, resolution=32, frames=48, channels=1),
        DiscriminatorArchitecture(5, resolution=32, channels=8),
        k=8,
    )
    ours = cost.discriminators.values()
    assert cost.full_discriminator.multiply_adds > 2 * sum(each.multiply_adds for each in ours)
    assert cost.full_discriminator.kept > 1.5 * sum(each.kept for each in ours)


def test_one_discriminator_alone_is_measured_alone() -> None:
    cost = model_cost(
        GeneratorArchitecture(5, resolution=32, frames=4, channels=1),
        DiscriminatorArchitecture(5, resolution=32, channels=1, kinds="temporal"),
        k=2,
    )
    assert cost.discriminators.keys() == cost.pixels_seen.keys() == {"D_T"}


def test_d_s_has_the_multiply_adds_of_its_attention() -> None:
    with without_memory():
        network = SpatialDiscriminator(CLASSES, resolution=128, channels=8)
    found = network_cost(network, clips(K, 3, 128, 128)).multiply_adds
    assert found == K * (by_hand_tower(128, 8) + 16 * 8)


def test_attention_weights_are_those_of_the_tensors_that_would_be_stored() -> None:
    """One weight for every pair of positions that differ along an axis alone, or at all."""
    cost = attention_cost(GeneratorArchitecture(0, resolution=32, frames=3, channels=2))
    frames, channels, height, width = 3, 8, 16, 16
    assert cost.shape == (frames, channels, height, width)
    features = torch.zeros(frames, height, width)
    stored = [
        torch.einsum("thw,tiw->thiw", features, features),
        torch.einsum("thw,thi->thwi", features, features),
        torch.einsum("thw,ihw->thwi", features, features),
    ]
    assert cost.separable_weights == max(tensor.numel() for tensor in stored)
    assert cost.full_weights == torch.outer(features.flatten(), features.flatten()).numel()
    positions = frames * height * width
    in_turn = [attention(channels, positions, size) for size in (height, width, frames)]
    assert cost.separable.multiply_adds == sum(in_turn)
    assert cost.full.multiply_adds == attention(channels, positions, positions)


def clips(*view: int) -> Callable[[int], tuple[Tensor, Tensor]]:
    return lambda batch: (torch.zeros(batch, *view), torch.zeros(batch, dtype=torch.long))


def test_memory_of_a_network_that_can_be_counted_by_hand() -> None:
    """The convolution keeps its input, relu its output, which is also all that the linear map
    keeps; weights do not count, and nothing is fixed."""
    with torch.device("meta"):
        network = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 5)
        )
    cost = network_cost(network, lambda batch: (torch.zeros(batch, 3, 8, 8),))
    assert cost.kept == 4 * (3 * 64 + 4 * 64)
    assert cost.kept_once == 0
    assert cost.kept_at(10) == 10 * cost.kept
    assert cost.layers[0] == LayerCost("0", "Conv2d", (4, 8, 8), 112, 27 * 4 * 64, 4 * 3 * 64)


def test_normalised_weights_and_batch_statistics_are_kept_once() -> None:
    with without_memory():
        network = SpatialDiscriminator(0, resolution=32, channels=2)
    cost = network_cost(network, clips(2, 3, 32, 32))
    weights = {name: p.numel() for name, p in network.named_parameters() if "weight" in name}
    # Of each weight: its normalised copy, or its 4x4 kernel where the result is halved (all blocks
    # but the last), two singular vectors, sigma.
    halved = [name for name in weights if "conv2" in name and not name.startswith("tower.3")]
    assert len(halved) == 3
    copies = sum(weights.values()) + sum(weights[name] for name in halved) * 7 / 9
    assert 4 * copies < cost.kept_once < 4 * copies + 0.5 * sum(weights.values())


def networks() -> dict[str, tuple[Callable[[], nn.Module], Callable[[int], tuple[Tensor, ...]]]]:
    def of_g(**changes: object) -> Callable[[], nn.Module]:
        sizes = {"classes": CLASSES, "resolution": 32, "frames": 4, "channels": 2, **changes}
        return lambda: Generator(GeneratorArchitecture(**sizes))  # type: ignore[arg-type]

    def inputs(batch: int, given: int = 0) -> tuple[Tensor, ...]:
        latents, labels = torch.zeros(batch, 120), torch.zeros(batch, dtype=torch.long)
        return (latents, labels, torch.zeros(batch, given, 3, 32, 32))[: 3 if given else 2]

    predicting = {"classes": 0, "conditioning_frames": 1, "encoder_channels": 1}
    return {
        "synthesis": (of_g(), inputs),
        "group norm, deep blocks": (of_g(block_norm="group", blocks="biggan_deep"), inputs),
        "prediction": (of_g(**predicting), lambda batch: inputs(batch, 1)),
        # With fewer channels its values are one wide, and the CPU stores the weights after all.
        "D_S": (lambda: SpatialDiscriminator(CLASSES, 128, 4), clips(2, 3, 128, 128)),
        "D_T": (lambda: TemporalDiscriminator(CLASSES, 32, 2), clips(5, 3, 16, 16)),
    }


@pytest.mark.parametrize("name", networks())
def test_without_memory_the_costs_are_those_on_the_cpu(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There nothing is skipped, and torch chooses the kernels by itself; batch norm as on a GPU."""
    monkeypatch.setattr(conditional_norm, "_has_a_faster_kernel", lambda _: True)
    build, inputs = networks()[name]
    with without_memory():
        empty = build()
    real = build()
    shapes = [
        {key: value.shape for key, value in each.state_dict().items()} for each in (empty, real)
    ]
    assert shapes[0] == shapes[1]
    costs: list[NetworkCost] = [network_cost(network, inputs) for network in (empty, real)]
    assert costs[0] == costs[1]
