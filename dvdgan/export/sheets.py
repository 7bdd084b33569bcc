"""Samples to look at: a looping video and a film strip of clips from a bundle."""

from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.export.sampler import Sampler
from dvdgan.models.latent import Truncation
from dvdgan.video.decode import VideoError, frames
from dvdgan.video.encode import encode_mp4
from dvdgan.video.grid import film_strip, video_grid
from dvdgan.video.image import center_crop, encode_png, resize_short_side

VIDEO, STRIP = "samples.mp4", "samples.png"


def class_samples(
    sampler: Sampler, names: list[str], count: int, seed: int, truncation: Truncation | None
) -> Tensor:
    """``count`` videos of each class: uint8 (classes, count, T, 3, H, W).

    All classes have the same latents. Raises UserError for an unknown class.
    """
    rows = []
    for name in names:
        labels = torch.full((count,), label_of(sampler, name))
        rows.append(sampler.sample(labels, seed, truncation=truncation))
    return torch.stack(rows)


def continuations(
    sampler: Sampler, video: Path, count: int, seed: int, truncation: Truncation | None
) -> Tensor:
    """``count`` continuations of the first frames of a video file: uint8 (1, count, T, 3, H, W).

    The frames are resized and cropped as for training. Raises UserError if they cannot be read or
    are too few.
    """
    given = opening_frames(video, sampler.conditioning_frames, sampler.resolution)
    conditioning = given.expand(count, *given.shape)
    labels = torch.zeros(count, dtype=torch.int64)
    return sampler.sample(labels, seed, 0, conditioning, truncation)[None]


def interpolations(
    sampler: Sampler, between: str, names: list[str], count: int, seed: int
) -> Tensor:
    """Interpolated videos, uint8 (rows, count, T, 3, H, W) (paper Figs. 8, 9, 18 to 20).

    ``between`` "latents": a row per class, from video 0 to video 1 of the seed; "classes": one row,
    video 0 from the first to the second class. Raises UserError for anything else.
    """
    labels = [label_of(sampler, name) for name in names]
    if between == "latents":
        return torch.stack(
            [sampler.interpolate_latents(label, seed, (0, 1), count) for label in labels]
        )
    if between != "classes":
        raise UserError(f"--between is {between!r}", todo="choose `latents` or `classes`")
    if len(labels) < 2:
        raise UserError(
            "interpolation between classes needs two classes", todo="name two: --class A --class B"
        )
    return sampler.interpolate_classes((labels[0], labels[1]), seed, 0, count)[None]


def opening_frames(video: Path, count: int, resolution: int) -> Tensor:
    """The first ``count`` frames of a video file: uint8 (count, 3, resolution, resolution)."""
    try:
        first = list(islice(frames(video), count))
    except (OSError, VideoError) as error:
        reason = error.detail if isinstance(error, VideoError) else error.strerror
        raise UserError(
            f"{video} cannot be read: {reason}", todo="name a video file that plays"
        ) from error
    if len(first) < count:
        raise UserError(
            f"{video} has {len(first)} frames, and the model continues {count}",
            todo="name a longer video",
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


def write_sheets(clips: Tensor, fps: float, given: int, folder: Path) -> None:
    """Write samples.mp4 and samples.png to ``folder``: a row per class, time from left to right.

    clips: uint8 (rows, columns, T, 3, H, W). In samples.png every clip is a row. Given frames have
    a blue border.
    """
    pixels = clips.permute(0, 1, 2, 4, 5, 3).numpy()
    strip = film_strip(pixels.reshape(-1, *pixels.shape[2:]), given=given)
    (folder / VIDEO).write_bytes(encode_mp4(video_grid(pixels, given=given), fps))
    (folder / STRIP).write_bytes(encode_png(strip))
