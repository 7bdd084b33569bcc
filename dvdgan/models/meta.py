"""Networks on torch's device "meta", whose tensors have shapes and no values."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

NetworkT = TypeVar("NetworkT", bound=nn.Module)


@contextmanager
def without_memory() -> Iterator[None]:
    """Tensors and networks made inside have shapes and no values: nothing is computed."""
    with torch.device("meta"), MetaShortcuts():
        yield


def empty_network(build: Callable[[], NetworkT], device: torch.device | str) -> NetworkT:
    """The network that ``build`` makes, on ``device``, with parameters and buffers not set.

    All of them must be loaded before use. Draws no random number. The orthogonal initial weights
    of the paper's generator take 20 s of a CPU core at 64 x 64 pixels, two minutes at 128 x 128.
    """
    with torch.no_grad(), without_memory():
        return build().to_empty(device=device)


def filled_network(
    build: Callable[[], NetworkT], tensors: Mapping[str, Tensor], device: torch.device | str
) -> NetworkT:
    """The network that ``build`` makes, on ``device``, with ``tensors`` as its state by name.

    Takes no memory for it before their names and shapes fit; raises ValueError if they do not.
    """
    with torch.no_grad(), without_memory():
        network = build()
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            shapes = (str(shapes.get(name, "none")) for shapes in (found, expected))
            raise ValueError("the tensor {}: {} instead of {}".format(name, *shapes))
    with torch.no_grad(), MetaShortcuts():
        network = network.to_empty(device=device)
    network.load_state_dict(tensors)
    return network


class MetaShortcuts(TorchFunctionMode):
    """Makes tensors on meta take the paths of real devices, and skips what only changes values."""

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


# The functions that fill the layers' initial values.
RANDOM_VALUES = (nn.init.kaiming_uniform_, nn.init.normal_, nn.init.uniform_, Tensor.normal_)

FUSED_ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
