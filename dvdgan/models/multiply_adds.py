"""Counts the multiply-adds of layers as the paper writes them, however they are computed.

A convolution of doubled pixels, or one whose result is halved, is computed with fewer
(models/residual.py). It counts like a 3x3 convolution at the larger resolution, so that costs can
be compared between versions, and a speed counts useful work alone.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from dvdgan.models.meta import FUSED_ATTENTION

Shape = Sequence[int]


class MultiplyAdds(FlopCounterMode):
    """Counts the multiply-adds of convolutions, linear maps and attention that run inside."""

    def __init__(self) -> None:
        super().__init__(display=False, custom_mapping=FORMULAS)

    @property
    def count(self) -> int:
        """Multiply-adds until now, those of backward passes included."""
        return int(self.get_total_flops()) // 2


def _convolution(x: Shape, weight: Shape, out: Shape, stride: Shape) -> int:
    """Operations, two for each multiply-add; a stride of 2 stands for 3 taps at the larger side."""
    axes = zip(x[2:], weight[2:], out[2:], stride, strict=True)
    taps = prod(3 * max(i, o) if step == 2 else kernel * o for i, kernel, o, step in axes)
    return 2 * x[0] * weight[0] * weight[1] * taps


def _forward(
    x: Shape, weight: Shape, _bias: Shape, stride: Shape, *_: Any, out_shape: Shape, **__: Any
) -> int:
    return _convolution(x, weight, out_shape, stride)


def _backward(
    gradient: Shape, x: Shape, weight: Shape, _bias: Shape, stride: Shape, *rest: Any, **_: Any
) -> int:
    of_x, of_weight, _of_bias = rest[-1]  # which derivatives are wanted
    return (bool(of_x) + bool(of_weight)) * _convolution(x, weight, gradient, stride)


def _attention(query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    operations: int = sdpa_flop_count(query, key, value)
    return operations


FORMULAS = {
    torch.ops.aten.convolution: _forward,
    torch.ops.aten.convolution_backward: _backward,
    # FlopCounterMode does not know it.
    FUSED_ATTENTION: _attention,
}
