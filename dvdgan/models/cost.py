"""What G, D_S and D_T cost, and what the paper's two ideas save (paper 3.1, 3.2).

Parameters, multiply-adds and memory kept for the backward pass, layer by layer. Nothing is
allocated: on torch's device "meta" everything is found from shapes alone, in seconds.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from dvdgan.models.architecture import (
    DISCRIMINATOR_CONSTANTS,
    GENERATOR_CONSTANTS,
    DiscriminatorArchitecture,
    GeneratorArchitecture,
)
from dvdgan.models.attention import SelfAttention, SeparableSelfAttention
from dvdgan.models.discriminators import Discriminators, TemporalDiscriminator
from dvdgan.models.frame_encoder import FrameEncoder
from dvdgan.models.generator import Generator, Stage
from dvdgan.models.meta import MetaShortcuts, without_memory
from dvdgan.models.multiply_adds import MultiplyAdds
from dvdgan.models.views import PHI

# Modules that are lists of layers; every other module is a layer of its own in the table.
CONTAINERS = (nn.ModuleList, nn.Sequential, Stage, FrameEncoder)

# From two clips on, memory grows by the same bytes with each; of one clip some copies are views.
BATCHES = (2, 3)

# The name of all layers together.
WHOLE = ""

Inputs = Callable[[int], tuple[Tensor, ...]]
"""Number of clips -> the arguments of a network's forward, made on torch's default device."""


@dataclass(frozen=True)
class LayerCost:
    """One layer of a network, for one clip."""

    name: str
    """Its place in the network, as in the keys of a checkpoint."""
    kind: str
    """Name of its class."""
    output: tuple[int, ...]
    """Shape for one clip; frames that are folded into the batch come first."""
    parameters: int
    multiply_adds: int
    kept: int
    """Bytes that a training forward keeps inside of it for the backward pass."""


@dataclass(frozen=True)
class NetworkCost:
    """A network, for one clip."""

    layers: list[LayerCost]
    """In the order they run in."""
    parameters: int
    multiply_adds: int
    """Of convolutions, linear maps and attention (models/multiply_adds.py)."""
    kept: int
    """Bytes kept for the backward pass, those between the layers included."""
    kept_once: int
    """Bytes kept whatever the number of clips: the normalised weights, batch statistics."""

    def kept_at(self, batch: int) -> int:
        """Bytes that a training forward on so many clips keeps for the backward pass."""
        return self.kept_once + batch * self.kept


@dataclass(frozen=True)
class AttentionCost:
    """G's separable attention, and full attention at the same place (paper 3.2)."""

    shape: tuple[int, int, int, int]
    """T, C, H, W of the features they run on."""
    separable: NetworkCost
    full: NetworkCost

    @property
    def separable_weights(self) -> int:
        """Entries of the largest weight tensor of a clip: max(H^2 W T, H W^2 T, H W T^2)."""
        T, _, H, W = self.shape
        return max(H * H * W * T, H * W * W * T, H * W * T * T)

    @property
    def full_weights(self) -> int:
        """Entries of the weight tensor of a clip: (H W T)^2."""
        T, _, H, W = self.shape
        return (H * W * T) ** 2


@dataclass(frozen=True)
class ModelCost:
    """The cost of a model's networks, and of what the paper compares them with."""

    generator: NetworkCost
    discriminators: dict[str, NetworkCost]
    """D_S, D_T, or one of them."""
    pixels_seen: dict[str, int]
    """Of one clip, by each discriminator (paper 3.1)."""
    clip_pixels: int
    full_discriminator: NetworkCost
    """A discriminator that sees the whole clip at full resolution, 3-D throughout."""
    attention: AttentionCost

    @property
    def parameters(self) -> int:
        """Of all networks."""
        return sum(each.parameters for each in (self.generator, *self.discriminators.values()))

    def train_step(self, discriminator_steps: int) -> int:
        """Multiply-adds of one train step for each clip of its batch.

        A backward pass takes twice a forward, and half of that where the weights are fixed. An
        update of D is a forward of G, and D forward and backward on real and generated clips.
        """
        g, d = self.generator.multiply_adds, self.discriminator_multiply_adds
        return discriminator_steps * (g + 2 * 3 * d) + 3 * g + 2 * d

    def train_memory(self, clips: int) -> int:
        """Bytes that a train step on so many clips of one device needs at most, in float32.

        Weights, gradients, Adam's moments and G's average, and the larger of an update of D, on
        real and generated clips, and one of G.
        """
        g, d = self.generator, self.discriminators.values()
        states = 20 * g.parameters + 16 * sum(network.parameters for network in d)
        update_d = sum(network.kept_at(2 * clips) for network in d)
        update_g = g.kept_at(clips) + sum(network.kept_at(clips) for network in d)
        return states + max(update_d, update_g)

    @property
    def discriminator_multiply_adds(self) -> int:
        """Of a forward of D_S and D_T on one clip."""
        return sum(network.multiply_adds for network in self.discriminators.values())

    @property
    def checkpoint_bytes(self) -> int:
        """Size of a checkpoint: weights and Adam's moments, and G's average."""
        g = self.generator.parameters
        return 16 * g + 12 * (self.parameters - g)


def model_cost(
    generator: GeneratorArchitecture, discriminator: DiscriminatorArchitecture, k: int
) -> ModelCost:
    """Measure the networks of a model; k: the frames D_S sees of each clip."""
    clip = (generator.frames, 3, generator.resolution, generator.resolution)
    with without_memory():
        both = Discriminators(discriminator)
        of_time = PHI[discriminator.phi](torch.empty(1, *clip), torch.empty(1, 2))[0]
    networks = {"D_S": both.spatial, "D_T": both.temporal}
    views = {"D_S": (k, *clip[1:]), "D_T": tuple(of_time.shape)}
    given = {name: network for name, network in networks.items() if network is not None}
    return ModelCost(
        generator_cost(generator),
        {name: network_cost(network, _clips(views[name])) for name, network in given.items()},
        {name: _pixels(views[name]) for name in given},
        _pixels(clip),
        full_discriminator_cost(discriminator, generator.frames),
        attention_cost(generator),
    )


def generator_cost(architecture: GeneratorArchitecture) -> NetworkCost:
    """G, and in it the network that reads conditioning frames where there are any."""
    with without_memory():
        network = Generator(architecture)
    return network_cost(network, generator_inputs(architecture))


def generator_inputs(a: GeneratorArchitecture) -> Inputs:
    """Latents, labels and, in prediction, given frames."""

    def inputs(clips: int) -> tuple[Tensor, ...]:
        latents = torch.empty(clips, a.latent_dim)
        labels = torch.zeros(clips, dtype=torch.long)
        if not a.conditioning_frames:
            return latents, labels
        given = torch.empty(clips, a.conditioning_frames, 3, a.resolution, a.resolution)
        return latents, labels, given

    return inputs


def full_discriminator_cost(architecture: DiscriminatorArchitecture, frames: int) -> NetworkCost:
    """D_T with phi = identity and every block in three dimensions."""
    a = architecture
    stages = len(DISCRIMINATOR_CONSTANTS[a.resolution])
    blocks = stages if a.blocks == "biggan" else 2 * stages
    sizes = (a.classes, a.resolution, a.channels, a.blocks)
    with without_memory():
        network = TemporalDiscriminator(*sizes, three_dimensional=blocks)
    return network_cost(network, _clips((frames, 3, a.resolution, a.resolution)))


def attention_cost(architecture: GeneratorArchitecture) -> AttentionCost:
    """Separable attention where G has it, and one layer over all positions instead."""
    a = architecture
    half = a.resolution // 2
    channels = a.channels * GENERATOR_CONSTANTS[a.resolution][-2]
    shape = (a.generated_frames, channels, half, half)
    with without_memory():
        separable, full = SeparableSelfAttention(channels), nn.Sequential(SelfAttention(channels))

    def inputs(clips: int) -> tuple[Tensor, ...]:
        return (torch.empty(clips, *shape, requires_grad=True),)

    return AttentionCost(shape, network_cost(separable, inputs), network_cost(full, inputs))


def _clips(view: tuple[int, ...]) -> Inputs:
    """Views of clips and their labels, the arguments of a discriminator."""
    return lambda clips: (torch.empty(clips, *view), torch.zeros(clips, dtype=torch.long))


def _pixels(view: tuple[int, ...]) -> int:
    """Of (frames, 3, H, W)."""
    frames, _, H, W = view
    return frames * H * W


def network_cost(network: nn.Module, inputs: Inputs) -> NetworkCost:
    """Run training forwards of ``network``, where it lives (meta or the CPU), and count.

    A storage that several operations keep counts once; parameters and buffers do not count.
    """
    fewer, more = (_counted_forward(network, inputs, batch) for batch in BATCHES)
    layers = dict(_layers(network))
    costs = [
        LayerCost(
            name,
            type(layers[name]).__name__.removeprefix("Parametrized"),
            _of_one_clip(counts.output),
            _parameters(layers[name]),
            counts.multiply_adds // BATCHES[0],
            more[name].kept - counts.kept,
        )
        for name, counts in fewer.items()
        if name != WHOLE
    ]
    kept = more[WHOLE].kept - fewer[WHOLE].kept
    return NetworkCost(
        costs,
        _parameters(network),
        fewer[WHOLE].multiply_adds // BATCHES[0],
        kept,
        fewer[WHOLE].kept - BATCHES[0] * kept,
    )


@dataclass
class _Counts:
    """Counts of one layer or the whole network, in one forward of several clips."""

    multiply_adds: int = 0
    kept: int = 0
    output: tuple[int, ...] = ()


def _counted_forward(network: nn.Module, inputs: Inputs, clips: int) -> dict[str, _Counts]:
    """The counts of every layer by its name, in the order they ran in; WHOLE for all of them."""
    with next(network.parameters()).device:
        arguments = inputs(clips)
    kept = _KeptStorages(network)
    counts: dict[str, _Counts] = {}
    began: dict[str, tuple[int, int]] = {}
    network.train()
    with ExitStack() as stack:
        multiply_adds = stack.enter_context(MultiplyAdds())

        def now() -> tuple[int, int]:
            return multiply_adds.count, kept.bytes

        def watch(name: str, layer: nn.Module) -> None:
            """Count from the moment the layer begins to the moment it ends."""

            def begin(*_: Any) -> None:
                began[name] = now()

            def end(_module: nn.Module, _arguments: Any, output: Tensor) -> None:
                before, after = began[name], now()
                counts[name] = _Counts(
                    after[0] - before[0], after[1] - before[1], tuple(output.shape)
                )

            stack.enter_context(layer.register_forward_pre_hook(begin))
            stack.enter_context(layer.register_forward_hook(end))

        for name, layer in _layers(network):
            watch(name, layer)
        stack.enter_context(saved_tensors_hooks(kept.keep, lambda tensor: tensor))
        stack.enter_context(MetaShortcuts())
        network(*arguments)
        counts[WHOLE] = _Counts(*now())
    return counts


class _KeptStorages:
    """The storages that a forward keeps for the backward pass, each counted once."""

    def __init__(self, network: nn.Module) -> None:
        own = [*network.parameters(), *network.buffers()]
        # References to the storages, so that no address is used twice.
        self._seen = {storage._cdata: storage for storage in map(Tensor.untyped_storage, own)}
        self.bytes = 0

    def keep(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._seen:
            self._seen[storage._cdata] = storage
            self.bytes += storage.nbytes()
        return tensor


def _layers(network: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    for name, module in network.named_children():
        if isinstance(module, CONTAINERS):
            yield from _layers(module, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", module


def _of_one_clip(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(2, T, C, H, W) -> (T, C, H, W); (2k, C, H, W), frames folded into the batch -> (k, ...)."""
    folded = shape[0] // BATCHES[0]
    return shape[1:] if folded == 1 else (folded, *shape[1:])


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
