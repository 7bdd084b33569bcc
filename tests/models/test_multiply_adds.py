"""Multiply-adds count as the paper writes its layers, forward and backward."""

import pytest
import torch
from torch import Tensor, nn

from dvdgan.models.multiply_adds import MultiplyAdds
from dvdgan.models.residual import convolve_doubled, convolve_halved

N, INTO, OUT, T, H, W = 2, 3, 5, 6, 4, 8

# Of one convolution at the larger of its two resolutions.
BY_HAND = {
    "plain": N * INTO * OUT * 9 * H * W,
    "doubled": N * INTO * OUT * 9 * 2 * H * 2 * W,
    "halved": N * INTO * OUT * 9 * H * W,
    "halved in 3-D": N * INTO * OUT * 27 * T * H * W,
    "halved in 3-D, odd T": N * INTO * OUT * 27 * (T - 1) * H * W,
}


def result(kind: str, x: Tensor, conv: nn.Module) -> Tensor:
    if kind == "plain":
        y: Tensor = conv(x)
        return y
    return convolve_doubled(x, conv) if kind == "doubled" else convolve_halved(x, conv)


@pytest.mark.parametrize("kind", BY_HAND)
@pytest.mark.parametrize(("of_x", "of_weight"), [(True, True), (True, False), (False, True)])
def test_a_convolution_counts_in_full(kind: str, of_x: bool, of_weight: bool) -> None:
    """A derivative by x, and one by the weight, take as many each."""
    in_3d = "3-D" in kind
    conv = (nn.Conv3d if in_3d else nn.Conv2d)(INTO, OUT, 3, padding=1).requires_grad_(of_weight)
    frames = (T - 1 if "odd" in kind else T,) if in_3d else ()
    x = torch.randn(N, INTO, *frames, H, W, requires_grad=of_x)
    with MultiplyAdds() as counter:
        y = result(kind, x, conv)
        assert counter.count == BY_HAND[kind]
        y.sum().backward()
    assert counter.count == BY_HAND[kind] * (1 + of_x + of_weight)


def test_a_linear_map_counts_too() -> None:
    layer = nn.Linear(7, 3)
    with MultiplyAdds() as counter:
        layer(torch.randn(4, 7))
    assert counter.count == 4 * 7 * 3
