"""Samples of both revisions from the same latents, as one animated picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from dvdgan.config import parse_config
from dvdgan.errors import UserError
from dvdgan.review.pipeline import copy_artefact

if TYPE_CHECKING:
    import torch

    from dvdgan.export.sample_grid import CaptionedClips
    from dvdgan.export.sampler import Sampler

MODEL, SHARDS = "artifacts/model", Path("artifacts/shards")

SEED = 0
# Of each bundle; clip n of one and clip n of the other have the same latent.
CLIPS, MOST_CLASSES = 8, 4
# Cells in a row: two pairs.
COLUMNS = 4
# The least side of a clip, pixels.
PICTURED_SIDE = 96


def draw_samples(folder: Path, base: str, params: Mapping[str, Any]) -> bytes | str:
    """GIF bytes: pairs of clips by the bundle at ``base`` and that of the working tree.

    Bundles are read where DVC has them: ``folder``, its cache or its remote. ``params``: those of
    the working tree. Where there is no picture, a sentence about why.
    """
    from dvdgan.export.sample_files import encoded
    from dvdgan.export.sample_grid import SampleGrid

    with TemporaryDirectory() as aside:
        found = []
        for name, revision in (("the base", base), ("the working tree", None)):
            sampler = _sampler(folder, revision, Path(aside) / name)
            if isinstance(sampler, str):
                return f"no bundle of {name} ({sampler}); `dvc push` it where it was made"
            found.append(sampler)
        try:
            pairs = _pairs(folder, params, *found)
        except UserError as error:
            return error.what
    scale = -(-PICTURED_SIDE // max(each.resolution for each in found))
    return encoded(pairs, SampleGrid(COLUMNS, scale), ".gif")


def _sampler(folder: Path, revision: str | None, aside: Path) -> "Sampler | str":
    from safetensors import SafetensorError

    from dvdgan.export.sampler import CONFIG, WEIGHTS, Sampler

    aside.mkdir()
    for name in (CONFIG, WEIGHTS):
        reason = copy_artefact(folder, revision, f"{MODEL}/{name}", aside / name)
        if reason is not None:
            return reason
    try:
        return Sampler.load(aside)
    except (KeyError, TypeError, RuntimeError, SafetensorError) as error:  # of another version
        return f"this version cannot read it ({type(error).__name__}: {error})"


def _pairs(
    folder: Path, params: Mapping[str, Any], before: "Sampler", now: "Sampler"
) -> "CaptionedClips":
    """Clips of both in turn. Raises UserError if they cannot be shown side by side."""
    import torch

    from dvdgan.export.sample_grid import CaptionedClips

    given = now.conditioning_frames
    if before.conditioning_frames != given:
        raise UserError(
            f"the base continues {before.conditioning_frames} frames and this model {given}"
        )
    if given and before.resolution != now.resolution:
        raise UserError(f"clips had {before.resolution} pixels a side and have {now.resolution}")
    names = [""] * CLIPS if given else _class_of_each(before, now)
    frames = _conditioning(folder, params, given) if given else None
    clips = [_clips(sampler, names, frames) for sampler in (before, now)]
    shape = [max(each.shape[axis] for each in clips) for axis in (1, 3, 4)]
    paired = torch.stack([_fitted(each, shape) for each in clips], dim=1).flatten(0, 1)
    captions = [f"{side} {name}".strip() for name in names for side in ("before:", "now:")]
    return CaptionedClips(paired, captions, [0] * len(captions), now.fps, given)


def _class_of_each(before: "Sampler", now: "Sampler") -> list[str]:
    """The class of each of CLIPS clips, of the first ones that both have."""
    shared = [name for name in now.classes if name in before.classes][:MOST_CLASSES]
    if not shared:
        raise UserError("the two bundles have no class in common")
    return [name for name in shared for _ in range(CLIPS // len(shared))]


def _clips(
    sampler: "Sampler", names: Sequence[str], frames: "torch.Tensor | None"
) -> "torch.Tensor":
    """uint8 (N, T, 3, H, W) of latents 0, 1, ..."""
    import torch

    labels = [0 if frames is not None else sampler.classes.index(name) for name in names]
    return sampler.sample(torch.tensor(labels), SEED, conditioning=frames)


def _conditioning(folder: Path, params: Mapping[str, Any], count: int) -> "torch.Tensor":
    """The frames that a model for prediction continues: (CLIPS, count, 3, H, W) uint8."""
    from dvdgan.data.dataset import open_clips
    from dvdgan.data.random_clips import ConditioningFrames

    dataset = open_clips(folder / SHARDS, "train", parse_config(params).clip)
    return ConditioningFrames(dataset, SEED, count)[0:CLIPS]


def _fitted(clips: "torch.Tensor", shape: Sequence[int]) -> "torch.Tensor":
    """Enlarged to (T, H, W) by repeating pixels; a shorter clip rests on its last frame."""
    import torch

    time, height, width = shape
    moments = torch.arange(time).clamp(max=clips.shape[1] - 1)
    rows = torch.arange(height) * clips.shape[3] // height
    columns = torch.arange(width) * clips.shape[4] // width
    return clips[:, moments][:, :, :, rows][..., columns]
