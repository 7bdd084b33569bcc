"""C3D (Tran et al. 2015), fine-tuned on UCF-101: the network of TGAN's Inception Score.

As in Caffe, its input is BGR minus a mean clip, and pooling rounds sizes up.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvdgan.errors import UserError
from dvdgan.evaluation.networks.clip_network import Activations, ClipNetwork

FRAMES = 16
# TGAN resizes frames to 128 px and crops the middle.
RESIZED, CROP = 128, slice(8, 120)

CONVOLUTIONS = {
    "conv1a": (3, 64),
    "conv2a": (64, 128),
    "conv3a": (128, 256),
    "conv3b": (256, 256),
    "conv4a": (256, 512),
    "conv4b": (512, 512),
    "conv5a": (512, 512),
    "conv5b": (512, 512),
}
# A pool follows these; the first one halves space alone.
POOLED = {"conv1a": (1, 2, 2)} | dict.fromkeys(("conv2a", "conv3b", "conv4b", "conv5b"), (2, 2, 2))
HIDDEN = 4096


class C3D(ClipNetwork):
    """Clips (B, 16, 3, 128, 128), float in 0..255 -> pooled (B, 4096), logits (B, classes).

    pooled is fc7 after its ReLU, the feature of TGANv2's FID. Dropout is off, as in evaluation.
    ``mean`` (3, 16, 112, 112) is the mean clip, BGR, in 0..255, cropped as clips are.
    """

    value_range = "0..255 minus the mean clip, BGR"
    size = RESIZED
    fewest_frames = FRAMES

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleDict(
            {
                name: nn.Conv3d(inputs, outputs, 3, padding=1)
                for name, (inputs, outputs) in CONVOLUTIONS.items()
            }
        )
        self.fc6 = nn.Linear(512 * 4 * 4, HIDDEN)
        self.fc7 = nn.Linear(HIDDEN, HIDDEN)
        self.fc8 = nn.Linear(HIDDEN, classes)
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(3, FRAMES, 112, 112))

    def forward(self, clips: Tensor) -> Activations:
        if clips.shape[1] != FRAMES:
            raise UserError(f"C3D takes clips of {FRAMES} frames; these have {clips.shape[1]}")
        bgr = clips.flip(2).transpose(1, 2)
        features = bgr[..., CROP, CROP] - self.mean
        for name, convolution in self.convolutions.items():
            features = functional.relu(convolution(features))
            if name in POOLED:
                features = functional.max_pool3d(features, POOLED[name], ceil_mode=True)
        pooled = functional.relu(self.fc7(functional.relu(self.fc6(features.flatten(1)))))
        return Activations(pooled, self.fc8(pooled))
