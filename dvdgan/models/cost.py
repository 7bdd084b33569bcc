"""What a network costs, layer by layer: parameters, multiply-adds, memory kept for backward.

On torch's device "meta" everything is found from shapes alone: no weights, no activations, seconds.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from dvdgan.models.frame_encoder import FrameEncoder
from dvdgan.models.generator import Stage

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
    """Of convolutions, linear maps and attention, as they are computed here."""
    kept: int
    """Bytes kept for the backward pass, those between the layers included."""
    kept_once: int
    """Bytes kept whatever the number of clips: the normalised weights, batch statistics."""

    def kept_at(self, batch: int) -> int:
        """Bytes that a training forward on so many clips keeps for the backward pass."""
        return self.kept_once + batch * self.kept


@contextmanager
def without_memory() -> Iterator[None]:
    """Tensors and networks made inside have shapes, and no values: nothing is computed."""
    with torch.device("meta"), _MetaShortcuts():
        yield


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
    """Of one layer or the whole network, in one forward of several clips."""

    multiply_adds: int = 0
    kept: int = 0
    output: tuple[int, ...] = ()


def _counted_forward(network: nn.Module, inputs: Inputs, clips: int) -> dict[str, _Counts]:
    """What every layer did and kept, by its name, in the order they ran in; WHOLE for all."""
    with next(network.parameters()).device:
        arguments = inputs(clips)
    kept = _KeptStorages(network)
    counts: dict[str, _Counts] = {}
    began: dict[str, tuple[int, int]] = {}
    network.train()
    with ExitStack() as stack:
        flops = stack.enter_context(FlopCounterMode(display=False, custom_mapping=ATTENTION_FLOPS))

        def now() -> tuple[int, int]:
            return flops.get_total_flops() // 2, kept.bytes

        def watch(name: str, layer: nn.Module) -> None:
            """Count from the moment the layer begins to the moment it ends."""

            def begin(*_: Any) -> None:
                began[name] = now()

            def end(_module: nn.Module, _arguments: Any, output: Tensor) -> None:
                (flops_before, kept_before), (flops_after, kept_after) = began[name], now()
                counts[name] = _Counts(
                    flops_after - flops_before, kept_after - kept_before, tuple(output.shape)
                )

            stack.enter_context(layer.register_forward_pre_hook(begin))
            stack.enter_context(layer.register_forward_hook(end))

        for name, layer in _layers(network):
            watch(name, layer)
        stack.enter_context(saved_tensors_hooks(kept.keep, lambda tensor: tensor))
        stack.enter_context(_MetaShortcuts())
        network(*arguments)
        counts[WHOLE] = _Counts(*now())
    return counts


class _KeptStorages:
    """The storages that a forward keeps for the backward pass, each counted once."""

    def __init__(self, network: nn.Module) -> None:
        own = [*network.parameters(), *network.buffers()]
        # Held, so that no address is used twice.
        self._seen = {storage._cdata: storage for storage in map(Tensor.untyped_storage, own)}
        self.bytes = 0

    def keep(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._seen:
            self._seen[storage._cdata] = storage
            self.bytes += storage.nbytes()
        return tensor


class _MetaShortcuts(TorchFunctionMode):
    """Where tensors have no values (on meta), do what real devices do, and nothing in vain."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        first = args[0] if args else kwargs.get("tensor")  # torch.nn.init goes by keyword
        if not (isinstance(first, Tensor) and first.is_meta):
            return func(*args, **kwargs)
        # torch would load its compiler for these, which takes seconds.
        if func in RANDOM_VALUES:
            return first
        if func is torch.empty_like:
            return first.new_empty(first.shape, **kwargs)
        if func is nn.functional.scaled_dot_product_attention:
            # Left to itself, torch computes it with a stored matrix of weights on meta alone.
            return FUSED_ATTENTION(*args, **kwargs)[0]
        # The power iterations of spectral norm change values only, and would take most of the time.
        if func is nn.functional.normalize:
            return args[0] if kwargs.get("out") is None else kwargs["out"]
        if func is torch.mv and not torch.is_grad_enabled():
            return args[0].new_empty(len(args[0]))
        return func(*args, **kwargs)


# What the layers' initial values are drawn by.
RANDOM_VALUES = (nn.init.kaiming_uniform_, nn.init.normal_, nn.init.uniform_, Tensor.normal_)

FUSED_ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


def _attention_flops(
    query: tuple[int, ...], key: tuple[int, ...], value: tuple[int, ...], *_: Any, **__: Any
) -> int:
    flops: int = sdpa_flop_count(query, key, value)
    return flops


# The one operation of these networks that FlopCounterMode does not know.
ATTENTION_FLOPS = {FUSED_ATTENTION: _attention_flops}


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
