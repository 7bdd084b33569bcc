"""Do clips move, have contrast, and neither clip nor flicker? Against what real clips do."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.storage.local import read_json, write_json

RANGES_FILE = "ranges.json"
QUANTILES = (0.01, 0.99)
# Grey levels that count as the ends of 0..255: [-1, 1] as the generator gives it, rounded.
LOWEST, HIGHEST = 1, 254


@dataclass(frozen=True)
class Liveliness:
    """How the pixels of clips behave over space and time: a number per clip, (N,) float64."""

    motion: Tensor
    """Mean absolute difference of neighbouring frames, grey levels 0..255."""
    contrast: Tensor
    """Standard deviation over the pixels of a frame and channel, mean over these, grey levels."""
    saturation: Tensor
    """Share of values at the ends of the scale, 0..1."""
    alternation: Tensor
    """How much more neighbouring frames differ than those two apart: the ratio of the mean absolute
    differences, the lower one taken as 1 grey level at least. 1/2 for slow even motion; neither
    fast motion nor noise exceeds 1, however strong; frames that alternate do."""
    jitter: Tensor
    """Mean absolute second difference in time of each channel's mean level, grey levels: jumps of
    brightness or colour, not fades."""

    @classmethod
    def of(cls, clips: Tensor) -> Self:
        """Measure clips (N, T, 3, H, W) uint8; with two frames nothing alternates or jumps."""
        levels = clips.cpu().to(torch.float32)
        means = levels.mean((3, 4), dtype=torch.float64)
        spread = levels.std((3, 4), correction=0).to(torch.float64)
        ends = ((clips <= LOWEST) | (clips >= HIGHEST)).cpu()
        motion = _difference(levels, 1)
        if levels.shape[1] < 3:
            alternation = jitter = torch.zeros_like(motion)
        else:
            alternation = motion / _difference(levels, 2).clamp(min=1)
            jitter = means.diff(n=2, dim=1).abs().mean((1, 2))
        return cls(
            motion=motion,
            contrast=spread.mean((1, 2)),
            saturation=ends.flatten(1).mean(1, dtype=torch.float64),
            alternation=alternation,
            jitter=jitter,
        )

    @classmethod
    def join(cls, parts: list["Liveliness"]) -> Self:
        """All clips of ``parts``, in order."""
        return cls(
            *(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls))
        )


@dataclass(frozen=True)
class Ranges:
    """The 1% and the 99% quantile of each number of Liveliness over real clips."""

    motion: tuple[float, float]
    contrast: tuple[float, float]
    saturation: tuple[float, float]
    alternation: tuple[float, float]
    jitter: tuple[float, float]

    @classmethod
    def of(cls, real: Liveliness) -> Self:
        """Those of the real clips."""
        at = torch.tensor(QUANTILES, dtype=torch.float64)
        found = (torch.quantile(getattr(real, field.name), at) for field in fields(cls))
        return cls(*((float(low), float(high)) for low, high in found))

    def save(self, path: Path) -> None:
        """Write them as JSON."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what save wrote; UserError when there is no such file."""
        if not path.is_file():
            raise UserError(
                "the ranges of the real clips are missing: these artefacts are of an older version",
                where=str(path),
                todo="run `dvc repro reference`",
            )
        return cls(**{name: (low, high) for name, (low, high) in read_json(path).items()})


def outside(clips: Liveliness, real: Ranges) -> dict[str, float]:
    """Shares (0..1) of clips that are static, uniform, saturated, flickering as no real clips are.

    A limit lies beyond the real quantile by a margin, for clips of people and places not seen:
    half the motion and half the contrast; a tenth of the way from the saturation to 1; a quarter
    more alternation, and above 1 in any case; twice the jitter, and above 2 grey levels.
    """
    saturation = real.saturation[1]
    flickering = clips.alternation > max(1.25 * real.alternation[1], 1)
    flickering |= clips.jitter > max(2 * real.jitter[1], 2)
    told = {
        "static": clips.motion < real.motion[0] / 2,
        "uniform": clips.contrast < real.contrast[0] / 2,
        "saturated": clips.saturation > saturation + (1 - saturation) / 10,
        "flickering": flickering,
    }
    return {name: float(each.double().mean()) for name, each in told.items()}


def _difference(levels: Tensor, apart: int) -> Tensor:
    """(N,) mean absolute difference of frames so many ``apart``; levels: (N, T, 3, H, W)."""
    change = (levels[:, apart:] - levels[:, :-apart]).abs()
    return change.flatten(1).mean(1, dtype=torch.float64)
