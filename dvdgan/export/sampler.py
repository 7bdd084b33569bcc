"""Sample videos from a model bundle; needs torch and safetensors alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from dvdgan.models.generator import Generator
from dvdgan.models.latent import numbered_latents
from dvdgan.models.spectral import bake
from dvdgan.storage.local import read_json

CONFIG = "config.json"
WEIGHTS = "generator.safetensors"
BATCH = 16


class Sampler:
    """A frozen generator: labels and a seed in, uint8 videos out."""

    def __init__(self, generator: Generator, classes: Sequence[str], fps: float) -> None:
        """``generator`` in eval mode with standing statistics; ``fps`` of the clips it makes."""
        self.generator = generator.eval().requires_grad_(False)
        self.classes = list(classes)
        self.fps = fps

    @classmethod
    def load(cls, bundle: Path | str, device: str = "cpu") -> "Sampler":
        """Open a bundle folder written by `dvdgan export`."""
        bundle = Path(bundle)
        config = read_json(bundle / CONFIG)
        generator = Generator(**config["generator"])
        bake(generator)
        generator.load_state_dict(load_file(bundle / WEIGHTS))
        return cls(generator.to(device), config["classes"], config["fps"])

    def sample(self, labels: Tensor, seed: int, first: int = 0) -> Tensor:
        """Videos number ``first``, first + 1, ... of ``seed``, one for each label.

        labels: (N,) int64 -> uint8 (N, T, 3, H, W) on the CPU. Video i depends on seed, i and its
        label alone. Raises FloatingPointError when a value is not finite.
        """
        return torch.cat([clips for clips, _ in self.stream(labels, seed, first)])

    @torch.no_grad()
    def stream(self, labels: Tensor, seed: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """As `sample`, a batch of (clips, labels) at a time, so that memory stays small."""
        device = next(self.generator.parameters()).device
        for start in range(0, len(labels), BATCH):
            chosen = labels[start : start + BATCH]
            dim = self.generator.latent_dim
            latents = numbered_latents(seed, first + start, len(chosen), dim)
            frames = self.generator(latents.to(device), chosen.to(device))
            if not frames.isfinite().all():
                raise FloatingPointError("the generator's output is not finite")
            pixels = ((frames + 1) * 127.5).round().clamp(0, 255)
            yield pixels.to(torch.uint8).cpu(), chosen
