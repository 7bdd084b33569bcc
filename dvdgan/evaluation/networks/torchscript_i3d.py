"""The I3D in TorchScript that StyleGAN-V's FVD runs: the file as it is, behind our interface.

A TorchScript file is a program. It can only compute with tensors, but PyTorch gives no guarantee
for hostile ones; so only the published file is loaded, known by its sha256.
"""

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from dvdgan.errors import UserError
from dvdgan.evaluation.networks.clip_network import Activations, ClipNetwork
from dvdgan.storage.local import sha256_of_file


class TorchScriptI3D(ClipNetwork):
    """Clips (B, T >= 9, 3, H, W), float in 0..255 -> the logits (B, 400), as pooled too.

    The program takes 0..255 to its range and frames to 224x224 itself. It returns one feature
    alone: with ``return_features``, the logits before the softmax.
    """

    value_range = "[-1, 1], by the TorchScript program"
    size = None
    fewest_frames = 9

    def __init__(self, program: nn.Module, file: Path) -> None:
        super().__init__()
        self.program = program
        self.file = file

    @classmethod
    def load(cls, file: Path, published: str) -> Self:
        """Load the program whose sha256 is ``published``; UserError, and no loading, for others."""
        found = sha256_of_file(file)
        if found != published:
            raise UserError(
                f"{file.name} is not the published TorchScript, and an unknown program is not run",
                where=f"sha256 of {file} is {found}; published: {published}",
                todo="get the one that `dvdgan convert` lists",
            )
        return cls(torch.jit.load(str(file), map_location="cpu"), file)

    def forward(self, clips: Tensor) -> Activations:
        videos = clips.transpose(1, 2)
        logits = self.program(videos, rescale=True, resize=True, return_features=True)
        return Activations(logits, logits)
