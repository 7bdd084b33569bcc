"""Layers written out in numpy and scipy, to hold the torch ones against."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import correlate
from torch import Tensor, nn
from torch.nn.utils import parametrize

Array = NDArray[np.float64]


def array(tensor: Tensor) -> Array:
    return tensor.detach().numpy().astype(np.float64)


def convolve(x: Array, weight: Array, bias: Array) -> Array:
    """x (C, H, W), weight (C', C, k, k), zero padding that keeps the size -> (C', H, W)."""
    margin = weight.shape[-1] // 2
    padded = np.pad(x, ((0, 0), (margin, margin), (margin, margin)))
    return np.stack(
        [correlate(padded, kernel, "valid")[0] + b for kernel, b in zip(weight, bias, strict=True)]
    )


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def normalised_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Every module of ``network`` whose weight is spectrally normalised."""
    return {
        name: module
        for name, module in network.named_modules()
        if parametrize.is_parametrized(module, "weight")
    }
