"""A bundle as a torch.export program: it runs where only torch is, without this package."""

import io

import torch
from torch import Tensor, nn

from dvdgan.export.sampler import Sampler
from dvdgan.models.generator import Generator

# Clips in one call of the program: 1 to this.
MOST_CLIPS = 256


class ClipProgram(nn.Module):
    """latents (B, latent_dim) float, labels (B,) int64 -> uint8 (B, T, 3, R, R), as `Sampler`.

    A model that predicts frames has a third input: uint8 (B, C, 3, R, R), the frames to continue.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, latents: Tensor, labels: Tensor, frames: Tensor | None = None) -> Tensor:
        given = None if frames is None else frames / 127.5 - 1
        clips: Tensor = self.generator(latents, labels, given)
        return ((clips + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def exported(sampler: Sampler, config: str) -> bytes:
    """A .pt2 file of the generator on the CPU, for any batch of 1 to MOST_CLIPS clips.

    The loop over time is unrolled. ``config``: the bundle's config.json, kept in the file as
    "config.json". Read it by `torch.export.load(FILE, extra_files={"config.json": ""})`.
    """
    shape = sampler.generator.architecture
    inputs = [torch.zeros(2, shape.latent_dim), torch.zeros(2, dtype=torch.int64)]
    if shape.conditioning_frames:
        frames = (2, shape.conditioning_frames, 3, shape.resolution, shape.resolution)
        inputs.append(torch.zeros(frames, dtype=torch.uint8))
    clips = torch.export.Dim("clips", min=1, max=MOST_CLIPS)
    program = torch.export.export(
        ClipProgram(sampler.generator).eval(),
        tuple(inputs),
        dynamic_shapes=tuple({0: clips} for _ in inputs),
    )
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={"config.json": config})
    return buffer.getvalue()
