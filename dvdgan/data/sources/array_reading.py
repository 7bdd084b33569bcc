"""An array of clips, and their labels, out of a file: .npy, .npz, .pt or .safetensors.

Nothing in the file can run code. A file that was cut short is found by its own header.
"""

import json
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from tokenize import TokenError
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.storage.archives import refuse_bomb
from dvdgan.storage.reading import MALFORMED

UNREADABLE = (
    *MALFORMED,
    OSError,
    EOFError,
    SafetensorError,
    SyntaxError,
    TokenError,
    UnpicklingError,
    BadZipFile,
    zlib.error,
)

CLIP_AXES = 5
LABELS = "labels"

ZIP_START, ZIP_END = b"PK\x03\x04", b"PK\x05\x06"
# The end of a zip archive: these, and a comment of at most 65,535 bytes.
ZIP_END_LEAST = 22
ZIP_END_BYTES = ZIP_END_LEAST + 65_535


def read_arrays(path: Path) -> tuple[Tensor, Tensor | None]:
    """The one array of five axes in the file, and its one-dimensional integers ``labels``, if any.

    .npy, .pt and .safetensors are mapped, not read; .npz is read whole. Raises UserError for files
    of other formats, that would have to run code, or that hold no such array or several.
    """
    _check_length(path)
    refuse_bomb(path)
    try:
        arrays = _READERS[path.suffix](path)
    except UNREADABLE as error:
        objects = isinstance(error, UnpicklingError) or "bject" in str(error)
        why = "it holds Python objects" if objects else " ".join(str(error).split())[:300]
        raise UserError(
            f"the file cannot be read as {path.suffix}: {why}",
            where=str(path),
            todo="save a plain array or tensor of clips; files that need pickle are not loaded"
            if objects
            else "save the clips again: the file is damaged, or its name has the wrong ending",
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
    tensors = {str(name): each for name, each in entries.items() if isinstance(each, Tensor)}
    for name, each in tensors.items():
        if each.numel() * each.itemsize > each.untyped_storage().nbytes():
            raise ValueError(f"{name} of shape {tuple(each.shape)} repeats its values")
    return tensors


_READERS: dict[str, Callable[[Path], dict[str, Tensor]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".pt": _pt,
    ".safetensors": load_file,
}

ENDINGS = tuple(_READERS)


def _check_length(path: Path) -> None:
    """Raise UserError for a file shorter than its header states, or that begins as another format.

    Reads the header alone.
    """
    found = path.stat().st_size
    if found == 0:
        raise _truncated(path, "the file is empty")
    with path.open("rb") as file:
        magic = _MAGIC.get(path.suffix)
        if magic is not None and not magic.startswith(file.read(len(magic))):
            raise UserError(
                f"the file cannot be read as {path.suffix}: it begins as another format",
                where=str(path),
                todo="save the clips again; the ending of the name must match the format",
            )
        file.seek(0)
        expected = _EXPECTED_LENGTH[path.suffix](file)
    if expected is not None and found < expected:
        whole = "more" if math.isinf(expected) else f"{expected:,.0f}"
        raise _truncated(
            path, f"the file is truncated: {found:,} bytes, where {whole} are expected"
        )


def _truncated(path: Path, what: str) -> UserError:
    todo = "copy or save it again, and wait until it is complete"
    return UserError(what, where=str(path), todo=todo)


def _npy_length(file: BinaryIO) -> float | None:
    """Header and values; None if no header states it."""
    start = file.read(np.lib.format.MAGIC_LEN)
    if len(start) < np.lib.format.MAGIC_LEN:
        return math.inf
    file.seek(0)
    try:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read is None:
            return None
        shape, _, dtype = read(file)
    except (*MALFORMED, SyntaxError, TokenError) as error:  # numpy's own parser of headers
        return math.inf if "EOF" in str(error) and isinstance(error, ValueError) else None
    # Objects are a pickle, whose length no header states.
    return None if dtype.hasobject else file.tell() + math.prod(shape) * dtype.itemsize


def _safetensors_length(file: BinaryIO) -> float | None:
    """The length of the header, the header, and up to the last tensor's end."""
    start = file.read(8)
    if len(start) < 8:
        return math.inf
    length = int.from_bytes(start, "little")
    header = file.read(length) if length < 100_000_000 else b""
    if not header.startswith(b"{"):
        return None
    if len(header) < length:
        return 8 + length
    try:
        entries = json.loads(header)
        ends = [
            int(entry["data_offsets"][1])
            for name, entry in entries.items()
            if name != "__metadata__"
        ]
    except MALFORMED:
        return None
    return 8 + length + max(ends, default=0)


def _zip_length(file: BinaryIO) -> float | None:
    """The end of the archive's directory, which stands last; infinite where there is none."""
    start = file.read(len(ZIP_START))
    if start != ZIP_END and not ZIP_START.startswith(start):
        # Old .pt files are not archives.
        return None
    size = file.seek(0, 2)
    looked_at = file.seek(max(0, size - ZIP_END_BYTES))
    place = file.read().rfind(ZIP_END)
    return math.inf if place < 0 else looked_at + place + ZIP_END_LEAST


# The first four bytes of each format that has such.
_MAGIC = {".npy": np.lib.format.MAGIC_PREFIX[:4], ".npz": ZIP_START}
_EXPECTED_LENGTH = {
    ".npy": _npy_length,
    ".npz": _zip_length,
    ".pt": _zip_length,
    ".safetensors": _safetensors_length,
}
