"""The moving average of G's weights that samples are drawn from (paper A.3)."""

import torch
from torch import nn


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """average <- decay * average + (1 - decay) * network, parameters only, in place.

    Buffers are copied, not averaged: before the average is used, `recompute_statistics` converges
    its spectral norms and recomputes its batch-norm statistics.
    """
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
    torch._foreach_copy_(list(average.buffers()), list(network.buffers()))


def decay_at(step: int, decay: float, start: int) -> float:
    """0 (the average equals the weights) up to ``start`` finished steps, then ``decay``."""
    return decay if step > start else 0.0
