"""Motion, contrast, saturation and flicker of clips' pixels, and their range in real clips."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.storage.local import read_json, write_json
from dvdgan.storage.reading import reading

RANGES_FILE = "ranges.json"
QUANTILES = (0.01, 0.99)
# Grey levels that count as the ends of 0..255: the rounded ends of the generator's [-1, 1].
LOWEST, HIGHEST = 1, 254


@dataclass(frozen=True)
class PixelStatistics:
    """Pixel statistics over space and time: one number per clip, (N,) float64."""

    motion: Tensor
    """Mean absolute difference of neighbouring frames, grey levels 0..255."""
    contrast: Tensor
    """Standard deviation over the pixels of a frame and channel, mean over these, grey levels."""
    saturation: Tensor
    """Share of values at the ends of 0..255, 0..1."""
    alternation: Tensor
    """Mean absolute difference of neighbouring frames over that of frames two apart, the latter at
    least 1 grey level. 1/2 for slow even motion; at most 1 for fast motion and noise; above 1 for
    alternating frames."""
    jitter: Tensor
    """Mean absolute second difference in time of each channel's mean level, grey levels: large for
    jumps of brightness or colour, small for fades."""

    @classmethod
    def of(cls, clips: Tensor) -> Self:
        """Of clips (N, T, 3, H, W) uint8; alternation and jitter are 0 for two frames."""
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
    def join(cls, parts: list["PixelStatistics"]) -> Self:
        """All clips of ``parts``, in order."""
        return cls(
            *(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls))
        )


@dataclass(frozen=True)
class PixelRanges:
    """The 1% and 99% quantiles of each of PixelStatistics over real clips."""

    motion: tuple[float, float]
    contrast: tuple[float, float]
    saturation: tuple[float, float]
    alternation: tuple[float, float]
    jitter: tuple[float, float]

    @classmethod
    def of(cls, real: PixelStatistics) -> Self:
        """The quantiles of ``real``."""
        at = torch.tensor(QUANTILES, dtype=torch.float64)
        found = (torch.quantile(getattr(real, field.name), at) for field in fields(cls))
        return cls(*((float(low), float(high)) for low, high in found))

    def save(self, path: Path) -> None:
        """Write as JSON."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what save wrote; UserError when there is no such file, or a damaged one."""
        if not path.is_file():
            raise UserError(
                "the ranges of the real clips are missing: these artefacts are of an older version",
                where=str(path),
                todo="run `dvc repro reference`",
            )
        found = read_json(path)
        with reading(path, "the ranges of real clips"):
            return cls(**{name: (float(low), float(high)) for name, (low, high) in found.items()})


def defect_shares(clips: PixelStatistics, real: PixelRanges) -> dict[str, float]:
    """Shares (0..1) of clips that are static, uniform, saturated or flickering beyond real ones.

    Each limit is the real quantile with a margin for unseen people and places: half the motion and
    half the contrast; a tenth of the way from the saturation to 1; 1.25 times the alternation, at
    least 1; twice the jitter, at least 2 grey levels.
    """
    saturation = real.saturation[1]
    flickering = clips.alternation > max(1.25 * real.alternation[1], 1)
    flickering |= clips.jitter > max(2 * real.jitter[1], 2)
    defects = {
        "static": clips.motion < real.motion[0] / 2,
        "uniform": clips.contrast < real.contrast[0] / 2,
        "saturated": clips.saturation > saturation + (1 - saturation) / 10,
        "flickering": flickering,
    }
    return {name: float(each.double().mean()) for name, each in defects.items()}


def _difference(levels: Tensor, apart: int) -> Tensor:
    """(N,) mean absolute difference of frames ``apart`` steps apart; levels: (N, T, 3, H, W)."""
    change = (levels[:, apart:] - levels[:, :-apart]).abs()
    return change.flatten(1).mean(1, dtype=torch.float64)
