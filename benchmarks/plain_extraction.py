"""Feature extraction the way popular FVD scripts write it: the yardstick of feature_extraction.py.

Every frame of every video is decoded and converted, though a clip needs some; clips are cropped,
resized and scaled one after another in float32 and kept, all of them; batch norm is a layer of its
own; batches of 16 go through in float32.
"""

from pathlib import Path

import av
import numpy as np
import torch
from av.video.reformatter import ColorRange
from torch import Tensor, nn
from torch.nn import functional

from dvdgan.evaluation.networks.clip_network import ClipNetwork
from dvdgan.evaluation.networks.i3d import ConvUnit, same_padding
from dvdgan.evaluation.networks.resize import resize
from dvdgan.video.conversion import CONVERSION
from dvdgan.video.image import center_crop, resize_short_side

BATCH = 16


class NormalisedUnit(nn.Module):
    """A unit of I3D as its ports have it: convolution without bias, batch norm, ReLU.

    The same map as ``folded``, from which it is made: with a norm of random statistics.
    """

    def __init__(self, folded: ConvUnit) -> None:
        super().__init__()
        conv = folded.conv
        outputs, stride = conv.out_channels, conv.stride[0]
        self.conv = nn.Conv3d(
            conv.in_channels, outputs, conv.kernel_size, stride, conv.padding, bias=False
        )
        self.norm = nn.BatchNorm3d(outputs, eps=1e-3)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)
        nn.init.normal_(self.norm.running_mean)
        scale = (self.norm.running_var + self.norm.eps).sqrt()
        assert conv.bias is not None
        with torch.no_grad():
            self.conv.weight.copy_(conv.weight * scale.view(-1, 1, 1, 1, 1))
            self.norm.bias.copy_(conv.bias + self.norm.running_mean / scale)

    def forward(self, features: Tensor) -> Tensor:
        size, stride = self.conv.kernel_size[0], self.conv.stride[0]
        if stride > 1:
            lengths = reversed(features.shape[2:])
            pads = [side for length in lengths for side in same_padding(length, size, stride)]
            features = functional.pad(features, pads)
        return functional.relu(self.norm(self.conv(features)))


def normalised(network: nn.Module) -> nn.Module:
    """``network`` with each of I3D's units replaced by a normalised one, in place."""
    for name, child in network.named_children():
        if isinstance(child, ConvUnit):
            setattr(network, name, NormalisedUnit(child))
        else:
            normalised(child)
    return network.eval()


def plain_features(
    files: list[Path], network: ClipNetwork, frames: int, resolution: int, rule: str, device: str
) -> Tensor:
    """Pooled features (N, D) of the first ``frames`` frames of each file."""
    clips = []
    for file in files:
        with av.open(str(file)) as container:
            whole = [
                frame.to_ndarray(
                    format="rgb24",
                    dst_color_range=ColorRange.JPEG,
                    interpolation=CONVERSION,  # the exact one, so that results can be compared
                )
                for frame in container.decode(video=0)
            ]
        square = [center_crop(resize_short_side(each, resolution), resolution) for each in whole]
        clip = torch.from_numpy(np.stack(square[:frames])).permute(0, 3, 1, 2).float()
        size = network.size
        clips.append(clip if size is None else resize(clip[None], size, rule)[0])
    everything = torch.stack(clips)
    pooled = []
    with torch.no_grad():
        for batch in everything.split(BATCH):
            pooled.append(network(batch.to(device)).pooled.cpu())
    return torch.cat(pooled)
