"""How long an array file must be by its own header, to tell one that was cut short."""

import json
import math
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dvdgan.errors import UserError

ZIP_START, ZIP_END = b"PK\x03\x04", b"PK\x05\x06"
# The end of a zip archive: these, and a comment of at most 65,535 bytes.
ZIP_END_LEAST = 22
ZIP_END_BYTES = ZIP_END_LEAST + 65_535


def check_length(path: Path) -> None:
    """Raise UserError for a file shorter than its header says, or that begins as another format.

    Reads the header alone.
    """
    found = path.stat().st_size
    if found == 0:
        raise _cut(path, "the file is empty")
    with path.open("rb") as file:
        magic = _MAGIC.get(path.suffix)
        if magic is not None and not magic.startswith(file.read(len(magic))):
            raise UserError(
                f"the file cannot be read as {path.suffix}: it begins as another format",
                where=str(path),
                todo="save the clips again; the ending of its name says how a file is read",
            )
        file.seek(0)
        expected = _EXPECTED[path.suffix](file)
    if expected is not None and found < expected:
        whole = "more" if math.isinf(expected) else f"{expected:,.0f}"
        raise _cut(path, f"the file is truncated: {found:,} bytes, where {whole} are expected")


def _cut(path: Path, what: str) -> UserError:
    todo = "copy or save it again, and wait until that has ended"
    return UserError(what, where=str(path), todo=todo)


def _npy(file: BinaryIO) -> float | None:
    """Header and values; None where there is no header that tells."""
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
    except ValueError as error:
        return math.inf if "EOF" in str(error) else None
    # Objects are a pickle, of a length that no header tells.
    return None if dtype.hasobject else file.tell() + math.prod(shape) * dtype.itemsize


def _safetensors(file: BinaryIO) -> float | None:
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
            entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"
        ]
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return 8 + length + max(ends, default=0)


def _zip(file: BinaryIO) -> float | None:
    """The end of the archive's directory, which stands last; infinite where there is none."""
    start = file.read(len(ZIP_START))
    if start != ZIP_END and not ZIP_START.startswith(start):
        # Old .pt files are no archives.
        return None
    size = file.seek(0, 2)
    looked_at = file.seek(max(0, size - ZIP_END_BYTES))
    place = file.read().rfind(ZIP_END)
    return math.inf if place < 0 else looked_at + place + ZIP_END_LEAST


# The first four bytes of each format that has such.
_MAGIC = {".npy": np.lib.format.MAGIC_PREFIX[:4], ".npz": ZIP_START}
_EXPECTED = {".npy": _npy, ".npz": _zip, ".pt": _zip, ".safetensors": _safetensors}
