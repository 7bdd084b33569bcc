"""The clips that a person asks a bundle for, as `dvdgan sample` and `dvdgan serve` do."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.export.sample_grid import CaptionedClips
from dvdgan.export.sampler import Sampler
from dvdgan.models.latent import Truncation
from dvdgan.video.decode import VideoError, frames, probe
from dvdgan.video.image import center_crop, resize_short_side

# Held in memory at once.
MOST_CLIPS = 4096
# Seconds: no second frame begins as early.
FIRST_FRAME = 1e-6


@dataclass(frozen=True)
class Draws:
    """Which latents: video 0, 1, ... of one seed, or video 0 of several seeds."""

    seeds: Sequence[int]
    count: int = 1
    """Videos of each seed."""
    truncation: Truncation | None = None

    @property
    def total(self) -> int:
        return len(self.seeds) * self.count

    def clips(self, sampler: Sampler, label: int, conditioning: Tensor | None = None) -> Tensor:
        """uint8 (total, T, 3, H, W). ``conditioning``: (C, 3, H, W), the same for all."""
        labels = torch.full((self.count,), label)
        given = None
        if conditioning is not None:
            given = conditioning.expand(self.count, *conditioning.shape)
        return torch.cat(
            [sampler.sample(labels, seed, 0, given, self.truncation) for seed in self.seeds]
        )

    def captions(self, name: str) -> list[str]:
        """A caption for each clip: the name, after the seed where seeds differ."""
        several = len(self.seeds) > 1
        return [
            f"seed {seed} {name}".strip() if several else name
            for seed in self.seeds
            for _ in range(self.count)
        ]


def class_samples(sampler: Sampler, names: list[str], draws: Draws) -> CaptionedClips:
    """Clips of each class in turn, all with the same latents. UserError for an unknown class."""
    labels = [label_of(sampler, name) for name in names]
    _refuse_too_many(len(labels) * draws.total)
    return CaptionedClips(
        torch.cat([draws.clips(sampler, label) for label in labels]),
        [text for name in names for text in draws.captions(name)],
        [label for label in labels for _ in range(draws.total)],
        sampler.fps,
        rows=len(labels),
    )


def continuations(sampler: Sampler, given: Tensor, draws: Draws) -> CaptionedClips:
    """Continuations of (C, 3, H, W) uint8 frames, see `opening_frames`."""
    _refuse_too_many(draws.total)
    return CaptionedClips(
        draws.clips(sampler, 0, given),
        draws.captions(""),
        [0] * draws.total,
        sampler.fps,
        sampler.conditioning_frames,
    )


def between_latents(
    sampler: Sampler, names: list[str], given: Tensor | None, through: int, draws: Draws
) -> CaptionedClips:
    """Interpolated clips from video 0 to 1 to ... ``through`` - 1 (paper Figs. 8, 18, 19).

    ``draws.count`` clips from each to the next, for each class in turn, or for the ``given`` frames
    of a model that predicts.
    """
    labels = [label_of(sampler, name) for name in names] if given is None else [0]
    _refuse_too_few(draws.count)
    _refuse_too_many(len(labels) * (through - 1) * draws.count)
    rows = [
        sampler.interpolate_latents(
            label, draws.seeds[0], range(through), draws.count, given, draws.truncation
        )
        for label in labels
    ]
    return CaptionedClips(
        torch.cat(rows),
        [name for name in (names if given is None else [""]) for _ in rows[0]],
        [label for label in labels for _ in rows[0]],
        sampler.fps,
        sampler.conditioning_frames,
        rows=len(rows),
    )


def between_classes(sampler: Sampler, names: list[str], draws: Draws) -> CaptionedClips:
    """Interpolated clips of video 0 from the first class to the next and on (Figs. 9, 20).

    ``draws.count`` clips from each class to the next. Raises UserError for fewer than two classes.
    """
    labels = [label_of(sampler, name) for name in names]
    if len(labels) < 2:
        raise UserError(
            "interpolation between classes needs two classes", todo="give two: --class A --class B"
        )
    _refuse_too_few(draws.count)
    _refuse_too_many((len(labels) - 1) * draws.count)
    clips = sampler.interpolate_classes(labels, draws.seeds[0], 0, draws.count, draws.truncation)
    segments, span = [], draws.count - 1
    for number in range(len(clips)):
        at, step = divmod(number, span)
        segments.append(f"{step / span:.0%} {names[at + 1]}" if step else names[at])
    nearest = [labels[round(number / span)] for number in range(len(clips))]
    return CaptionedClips(clips, segments, nearest, sampler.fps)


def opening_frames(
    video: Path | BinaryIO, count: int, resolution: int, max_pixels: int | None = None
) -> Tensor:
    """The first ``count`` frames of a video: uint8 (count, 3, resolution, resolution).

    They are resized and cropped as for training. Raises UserError if they cannot be read, are too
    few, or have more than ``max_pixels``.
    """
    name = video if isinstance(video, Path) else "the video"
    try:
        if max_pixels is not None:
            probe(video, max_pixels, end=FIRST_FRAME)
        first = list(islice(frames(video), count))
    except (OSError, VideoError) as error:
        reason = error.detail if isinstance(error, VideoError) else error.strerror
        raise UserError(
            f"{name} cannot be read: {reason}", todo="give a playable video file"
        ) from error
    if len(first) < count:
        raise UserError(
            f"{name} has {len(first)} frames, but the model continues {count}",
            todo="give a longer video",
        )
    cropped = [center_crop(resize_short_side(frame, resolution), resolution) for frame in first]
    return torch.from_numpy(np.stack(cropped)).permute(0, 3, 1, 2)


def label_of(sampler: Sampler, name: str) -> int:
    """The label of a class; UserError with the known names for an unknown one."""
    if name not in sampler.classes:
        raise UserError(
            f"the model has no class {name!r}",
            where=f"its classes: {', '.join(sampler.classes[:20])}",
            todo="choose one of them",
        )
    return sampler.classes.index(name)


def _refuse_too_many(clips: int) -> None:
    if clips > MOST_CLIPS:
        raise UserError(
            f"{clips:,} videos are more than the {MOST_CLIPS:,} that are held at once",
            todo="choose fewer classes or a smaller --count",
        )


def _refuse_too_few(steps: int) -> None:
    if steps < 2:
        raise UserError("an interpolation has at least 2 steps", todo="give a larger --count")
