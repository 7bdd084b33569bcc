"""An array of clips, and their labels, out of a file that cannot run code."""

from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dvdgan.data.sources.array_length import check_length
from dvdgan.errors import UserError

UNREADABLE = (
    ValueError,
    OSError,
    EOFError,
    RuntimeError,
    SafetensorError,
    UnpicklingError,
    BadZipFile,
)

CLIP_AXES = 5
LABELS = "labels"


def read_arrays(path: Path) -> tuple[Tensor, Tensor | None]:
    """The one array of five axes in the file, and its one-dimensional integers ``labels``, if any.

    .npy, .pt and .safetensors are mapped, not read; .npz is read whole. Raises UserError for files
    that are none of these, that would have to run code, or that hold no such array or several.
    """
    check_length(path)
    try:
        arrays = _READERS[path.suffix](path)
    except UNREADABLE as error:
        objects = isinstance(error, UnpicklingError) or "bject" in str(error)
        why = "it holds Python objects" if objects else str(error).splitlines()[0]
        raise UserError(
            f"the file cannot be read as {path.suffix}: {why}",
            where=str(path),
            todo="save a plain array or tensor of clips: nothing that needs pickle is loaded"
            if objects
            else "save the clips again: the file is damaged, or of another format than its name",
        ) from error
    clips = {name: each for name, each in arrays.items() if each.ndim == CLIP_AXES}
    if len(clips) != 1:
        shapes = ", ".join(f"{name} {tuple(each.shape)}" for name, each in arrays.items())
        raise UserError(
            f"the file must hold one array of 5 axes (clips, frames, height, width, channels in "
            f"some order), but holds {shapes or 'none'}",
            where=str(path),
            todo="grey clips need an axis of 1 channel: array[..., None]"
            if any(each.ndim == CLIP_AXES - 1 and each.shape[-1] > 4 for each in arrays.values())
            else "save the clips as one array",
        )
    [array] = clips.values()
    labels = arrays.get(LABELS)
    if labels is not None:
        if labels.shape != (len(array),) or labels.dtype.is_floating_point:
            raise UserError(
                f"labels must be {len(array)} integers, but are {labels.dtype} of shape "
                f"{tuple(labels.shape)}",
                where=str(path),
            )
        labels = labels.to(torch.int64)
    return array, labels


def _npy(path: Path) -> dict[str, Tensor]:
    return {"array": _tensor(np.load(path, mmap_mode="c", allow_pickle=False))}


def _npz(path: Path) -> dict[str, Tensor]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: _tensor(archive[name]) for name in archive.files}


def _tensor(array: Any) -> Tensor:
    try:
        return torch.from_numpy(array)
    except TypeError as error:
        raise ValueError(f"no array of numbers: {array!r:.80}") from error


def _pt(path: Path) -> dict[str, Tensor]:
    loaded = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    entries = loaded if isinstance(loaded, dict) else {"tensor": loaded}
    return {str(name): each for name, each in entries.items() if isinstance(each, Tensor)}


_READERS: dict[str, Callable[[Path], dict[str, Tensor]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".pt": _pt,
    ".safetensors": load_file,
}

ENDINGS = tuple(_READERS)
