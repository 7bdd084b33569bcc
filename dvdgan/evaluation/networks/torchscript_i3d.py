"""The TorchScript I3D of StyleGAN-V's FVD, as a ClipNetwork.

A TorchScript file is a program, and PyTorch does not guarantee that an untrusted one is harmless;
so only the published file is loaded, identified by its sha256.
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

    The program rescales 0..255 and resizes frames to 224x224 itself. It returns a single feature:
    with ``return_features``, the logits before the softmax.
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
        """Load the program with sha256 ``published``; raises UserError for any other file."""
        found = sha256_of_file(file)
        if found != published:
            raise UserError(
                f"{file.name} is not the published TorchScript; unknown programs are not loaded",
                where=f"sha256 of {file} is {found}; published: {published}",
                todo="download the file that `dvdgan convert` lists",
            )
        return cls(torch.jit.load(str(file), map_location="cpu"), file)

    def forward(self, clips: Tensor) -> Activations:
        videos = clips.transpose(1, 2)
        logits = self.program(videos, rescale=True, resize=True, return_features=True)
        return Activations(logits, logits)
