"""Sample sheets of fixed latents: the same clips, step after step, to watch a run learn."""

from pathlib import Path

import torch

from dvdgan.models.generator import Generator
from dvdgan.models.latent import mixed_seed
from dvdgan.models.standing import recompute_statistics
from dvdgan.storage.local import atomic_file
from dvdgan.video.grid import film_strip
from dvdgan.video.image import encode_png

ROWS = 8
STANDING_BATCHES = 4
FRAMES_SHOWN = 6


@torch.no_grad()
def write_preview(average: Generator, classes: int, seed: int, path: Path) -> None:
    """Write a PNG: a row a clip, classes in turn, time from left to right.

    Recomputes the average's batch-norm statistics, which nothing else in training uses.
    """
    device = next(average.parameters()).device
    generator = torch.Generator().manual_seed(mixed_seed(seed, "preview"))

    def batch(size: int) -> tuple[torch.Tensor, torch.Tensor]:
        latents = torch.randn(size, average.latent_dim, generator=generator)
        return latents.to(device), (torch.arange(size) % classes).to(device)

    shown = batch(ROWS)
    recompute_statistics(average, (batch(2 * ROWS) for _ in range(STANDING_BATCHES)))
    frames = average(*shown)
    pixels = ((frames + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    clips = pixels.movedim(2, -1).cpu().numpy()
    with atomic_file(path) as aside:
        aside.write_bytes(encode_png(film_strip(clips, max(clips.shape[1] // FRAMES_SHOWN, 1))))
