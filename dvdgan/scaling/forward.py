"""Counts what a forward pass runs, by hooks, on networks without memory."""

from functools import cache
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from dvdgan.models.architecture import DiscriminatorArchitecture, GeneratorArchitecture
from dvdgan.models.cost import generator_inputs
from dvdgan.models.discriminators import Discriminators
from dvdgan.models.generator import Generator
from dvdgan.models.meta import without_memory
from dvdgan.models.views import PHI

CLIPS = 2


class OperationCounter(TorchDispatchMode):
    """Counts the operations that run inside of it; views launch nothing and do not count."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


@cache
def generator_forward(architecture: GeneratorArchitecture) -> tuple[tuple[int, ...], int]:
    """Of one training forward of G: channels of each batch norm in order, and operations.

    Per-step batch norm is one norm of T x C channels, as it is computed.
    """
    channels: list[int] = []
    with without_memory():
        network = Generator(architecture)
        inputs = generator_inputs(architecture)(CLIPS)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.register_forward_hook(lambda norm, *_: channels.append(norm.num_features))
        with OperationCounter() as counter:
            network(*inputs)
    return tuple(channels), counter.count


@cache
def discriminator_operations(
    architecture: DiscriminatorArchitecture, frames: int, spatial_frames: int
) -> int:
    """Operations of one training forward of D_S and D_T; spatial_frames: k."""
    side = architecture.resolution
    labels = torch.zeros(CLIPS, dtype=torch.long, device="meta")
    with without_memory():
        networks = Discriminators(architecture)
        clips = torch.empty(CLIPS, frames, 3, side, side)
        small = PHI[architecture.phi](clips, torch.empty(CLIPS, 2))
        with OperationCounter() as counter:
            if networks.spatial is not None:
                networks.spatial(clips[:, :spatial_frames], labels)
            if networks.temporal is not None:
                networks.temporal(small, labels)
    return int(counter.count)
