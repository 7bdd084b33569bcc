"""The `.frames` member of a sample: every frame of a video as JPEG, any window reachable alone.

Layout, little-endian: magic `DVDF`, uint32 frame count n, n + 1 uint64 offsets from the start of
the member, then the n JPEGs one behind the other. Frame i is bytes offset[i] to offset[i + 1].
"""

import os
import struct
from collections.abc import Sequence

import numpy as np

MAGIC = b"DVDF"
HEADER = struct.Struct("<4sI")
OFFSET = np.dtype("<u8")


def pack(jpegs: Sequence[bytes]) -> bytes:
    """One member holding ``jpegs`` in order."""
    table_end = HEADER.size + OFFSET.itemsize * (len(jpegs) + 1)
    offsets = np.cumsum([table_end, *map(len, jpegs)], dtype=OFFSET)
    return b"".join([HEADER.pack(MAGIC, len(jpegs)), offsets.tobytes(), *jpegs])


def read_window(file: int, at: int, start: int, frames: int, stride: int) -> list[bytes]:
    """The JPEGs start, start + stride, ... of the member at byte ``at`` of an open file.

    Two reads: the window's offsets, then its bytes. Raises ValueError where no such member or
    window is there.
    """
    magic, count = HEADER.unpack(_pread(file, HEADER.size, at))
    last = start + (frames - 1) * stride
    if magic != MAGIC or not 0 <= start <= last < count:
        raise ValueError(f"no frames {start} to {last} at byte {at}")
    table = at + HEADER.size + OFFSET.itemsize * start
    raw = _pread(file, OFFSET.itemsize * (last - start + 2), table)
    offsets = np.frombuffer(raw, OFFSET).astype(np.int64)
    low, high = int(offsets[0]), int(offsets[-1])
    if (np.diff(offsets) < 0).any():
        raise ValueError(f"the offsets at byte {table} are damaged")
    window = _pread(file, high - low, at + low)
    picked = range(0, last - start + 1, stride)
    return [window[offsets[i] - low : offsets[i + 1] - low] for i in picked]


def _pread(file: int, size: int, at: int) -> bytes:
    data = os.pread(file, size, at)
    if len(data) != size:
        raise ValueError(f"the file ends before byte {at + size}")
    return data
