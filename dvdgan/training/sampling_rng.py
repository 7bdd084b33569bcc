"""Every random draw of a run as a pure function of (seed, step, what for).

A resumed run thus repeats the unbroken one, and any number of processes draws the same global
batch: each takes its rows of it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dvdgan.models.latent import derive_seed
from dvdgan.models.views import Views, draw_views


@dataclass(frozen=True)
class SamplingRNG:
    """The draws of one process. ``class_labels`` (videos,): the training split's own labels, so
    that generated classes follow the data's frequencies."""

    seed: int
    batch_size: int
    class_labels: Tensor
    device: torch.device
    rank: int = 0
    world_size: int = 1

    def latents_and_labels(self, step: int, phase: str, latent_dim: int) -> tuple[Tensor, Tensor]:
        """z ~ N(0, I) (B, latent_dim) and y ~ p(y) (B,) for one G forward."""
        generator = self._generator(step, phase, "latents")
        latents = torch.randn(self.batch_size, latent_dim, generator=generator)
        picks = torch.randint(len(self.class_labels), (self.batch_size,), generator=generator)
        own = self._own
        return self._sent(latents[own]), self._sent(self.class_labels[picks][own])

    def views(self, step: int, phase: str, frames: int, k: int) -> Views:
        """What D_S and D_T see of each clip: k of its frames, the place of a crop."""
        generator = self._generator(step, phase, "views")
        return Views(
            *map(self._sent, draw_views(self.batch_size, frames, k, generator).rows(self._own))
        )

    def rows(self, parts: int) -> list[slice]:
        """This process's rows, cut into ``parts`` equal runs."""
        size = self.batch_size // self.world_size // parts
        return [slice(part * size, (part + 1) * size) for part in range(parts)]

    def _generator(self, step: int, phase: str, purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self.seed, step, phase, purpose))

    def _sent(self, values: Tensor) -> Tensor:
        """``values`` on the device, which need not be idle to take them."""
        if self.device.type != "cuda":
            return values.to(self.device)
        return values.pin_memory().to(self.device, non_blocking=True)

    @property
    def _own(self) -> slice:
        return slice(self.rank, None, self.world_size)
