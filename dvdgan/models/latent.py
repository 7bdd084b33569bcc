"""Latents by seed and number, truncated (paper 4.4) or interpolated (B.2); derived seeds."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

# Far beyond what a generator was trained on (1): its output is noise, or not finite.
HIGHEST_LEVEL = 10
LOWEST_RESAMPLED = 0.01


@dataclass(frozen=True)
class Truncation:
    """How far from the mean latents may lie when sampling (paper 4.4, Fig. 14).

    ``gaussian``: z ~ N(0, level^2 I), the paper's (0.44 in Fig. 14). ``resampled``: z ~ N(0, I),
    every value with a magnitude above ``level`` drawn again (BigGAN's truncated normal).
    ``level``: above 0 and at most 10, ``resampled`` from 0.01 on; else ValueError.
    """

    level: float
    kind: Literal["gaussian", "resampled"] = "gaussian"

    def __post_init__(self) -> None:
        if self.kind not in ("gaussian", "resampled"):
            raise ValueError(f"a truncation is gaussian or resampled, not {self.kind!r}")
        if not 0 < self.level <= HIGHEST_LEVEL:
            raise ValueError(
                f"a truncation level must be above 0, at most {HIGHEST_LEVEL}, but is {self.level}"
            )
        if self.kind == "resampled" and self.level < LOWEST_RESAMPLED:
            raise ValueError(
                f"values below {LOWEST_RESAMPLED} are too rare to be drawn again until all are, "
                f"and the truncation level is {self.level}"
            )


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed that depends on all parts and their order."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numbered_latents(
    seed: int, first: int, count: int, dim: int, truncation: Truncation | None = None
) -> Tensor:
    """z of videos first .. first+count-1 of ``seed``: (count, dim), N(0, I) if not truncated.

    Row i depends on seed and its own number alone, whatever the batch it is drawn in.
    """
    rows = []
    for number in range(first, first + count):
        generator = torch.Generator().manual_seed(derive_seed(seed, "video", number))
        rows.append(_latent(dim, truncation, generator))
    return torch.stack(rows)


def _latent(dim: int, truncation: Truncation | None, generator: torch.Generator) -> Tensor:
    z = torch.randn(dim, generator=generator)
    if truncation is None:
        return z
    if truncation.kind == "gaussian":
        return z * truncation.level
    while (outside := z.abs() > truncation.level).any():
        z[outside] = torch.randn(int(outside.sum()), generator=generator)
    return z


def interpolated(first: Tensor, last: Tensor, steps: int) -> Tensor:
    """``steps`` vectors evenly spaced on the line from first to last, both included.

    first, last: (D,) -> (steps, D). Paper Figs. 8, 9, 18 to 20.
    """
    shares = torch.linspace(0, 1, steps, device=first.device)[:, None]
    return torch.lerp(first[None], last[None], shares)
