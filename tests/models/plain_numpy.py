"""Layers written out in numpy and scipy, to hold the torch ones against."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import correlate
from torch import Tensor, nn
from torch.nn.utils import parametrize

Array = NDArray[np.float64]


def array(tensor: Tensor) -> Array:
    return tensor.detach().numpy().astype(np.float64)


def convolve(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """x (C, ..., H, W), weight (C', C, ..., k, k), padded to keep the size -> (C', ...)."""
    margin = weight.shape[-1] // 2
    padded = np.pad(x, ((0, 0), *[(margin, margin)] * (x.ndim - 1)))
    maps = [correlate(padded, kernel, "valid", method="direct")[0] for kernel in weight]
    if bias is None:
        return np.stack(maps)
    return np.stack([each + b for each, b in zip(maps, bias, strict=True)])


def through(layer: nn.Module, x: Array) -> Array:
    """A convolution of one image or video (C, ..., H, W) by the weights of ``layer``."""
    return convolve(x, array(layer.weight), None if layer.bias is None else array(layer.bias))


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(logits: Array) -> Array:
    shares = np.exp(logits - logits.max())
    return shares / shares.sum()


def twice(x: Array) -> Array:
    """Every pixel four times: (..., H, W) -> (..., 2H, 2W)."""
    return x.repeat(2, axis=-2).repeat(2, axis=-1)


def halved(x: Array) -> Array:
    """Means of 2x2 pixels of an image (C, H, W), of 2x2x2 of a video (C, T, H, W).

    Where T is odd, the last step is averaged over space alone.
    """
    sizes = [(size + 1) // 2 for size in x.shape[1:]]
    result = np.empty((len(x), *sizes))
    for cell in np.ndindex(*sizes):
        place = tuple(slice(2 * i, 2 * i + 2) for i in cell)
        result[(slice(None), *cell)] = x[(slice(None), *place)].mean(axis=tuple(range(1, x.ndim)))
    return result


def groups_of(channels: int) -> int:
    """The largest power of two, 32 at most, that divides ``channels``."""
    return max(groups for groups in (1, 2, 4, 8, 16, 32) if channels % groups == 0)


def standardised(norm: str, x: Array, epsilon: float = 1e-5) -> Array:
    """x (B, T, C, H, W), less its mean and over its deviation, taken as ``norm`` takes them."""
    if norm == "none":
        return x
    shape = x.shape
    over = {
        "per_step_batch": (0, 3, 4),
        "batch": (0, 1, 3, 4),
        "group": (3, 4, 5),
        "layer": (2, 3, 4),
        "instance": (3, 4),
    }[norm]
    if norm == "group":
        groups = groups_of(shape[2])
        x = x.reshape(*shape[:2], groups, shape[2] // groups, *shape[3:])
    mean, variance = x.mean(over, keepdims=True), x.var(over, keepdims=True)
    return ((x - mean) / np.sqrt(variance + epsilon)).reshape(shape)


def normalised_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Every module of ``network`` whose weight is spectrally normalised."""
    return {
        name: module
        for name, module in network.named_modules()
        if parametrize.is_parametrized(module, "weight")
    }
