"""The `.frames` member of a sample: every frame of a video as JPEG, any window reachable alone.

Layout, little-endian: magic `DVDF`, uint32 frame count n, n + 1 uint64 offsets from the start of
the member, then the n JPEGs one behind the other. Frame i is bytes offset[i] to offset[i + 1].
"""

import json
import struct
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dvdgan.video.image import decode_frame

MAGIC = b"DVDF"
HEADER = struct.Struct("<4sI")
OFFSET = np.dtype("<u8")

Read = Callable[[int, int], bytes]
"""First byte and length -> exactly those bytes of a tar; ValueError if they are not there."""


def pack(jpegs: Sequence[bytes]) -> bytes:
    """One member holding ``jpegs`` in order."""
    table_end = HEADER.size + OFFSET.itemsize * (len(jpegs) + 1)
    offsets = np.cumsum([table_end, *map(len, jpegs)], dtype=OFFSET)
    return b"".join([HEADER.pack(MAGIC, len(jpegs)), offsets.tobytes(), *jpegs])


def read_window(read: Read, at: int, size: int, window: range) -> list[bytes]:
    """The JPEGs of the frames ``window`` of the member that begins at byte ``at``, ``size`` long.

    Two reads: everything up to the window's last offset, then the window. Raises ValueError if
    no such member or window is there.
    """
    low, high = window[0], window[-1] + 1
    head = read(at, min(HEADER.size + OFFSET.itemsize * (high + 1), size))
    magic, count = HEADER.unpack_from(head) if len(head) >= HEADER.size else (head, 0)
    if magic != MAGIC or not 0 <= low < high <= count:
        raise ValueError(f"no frames {low} to {high - 1} at byte {at}")
    offsets = np.frombuffer(head, OFFSET, high - low + 1, HEADER.size + OFFSET.itemsize * low)
    # A damaged table must not make us read exabytes.
    table_end = HEADER.size + OFFSET.itemsize * (count + 1)
    if offsets[0] < table_end or offsets[-1] > size or (offsets[1:] < offsets[:-1]).any():
        raise ValueError(f"the offsets of frames {low} to {high - 1} at byte {at} are damaged")
    start, *ends = offsets.tolist()
    data = read(at + start, ends[-1] - start)
    begins = [0, *(end - start for end in ends)]
    return [data[begins[i - low] : begins[i - low + 1]] for i in window]


def decode_sample(
    sample: Mapping[str, bytes], window: range | None = None
) -> tuple[NDArray[np.uint8], int]:
    """Frames (T, H, W, 3) uint8 and label of a sample as `webdataset.WebDataset` yields it.

    ``window``: which frames, all by default. Raises ValueError if they are damaged or missing.
    """
    try:
        member, facts = sample["frames"], json.loads(sample["json"])
        whole, label = range(facts["frames"]), int(facts["label"])
        if len(whole) > len(member):
            raise ValueError(f"{len(whole)} frames in {len(member)} bytes")
    except (KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"this is no sample ({type(error).__name__}: {error})") from error

    def read(start: int, length: int) -> bytes:
        return member[start : start + length]

    if not (window or whole):
        raise ValueError("this sample has no frames")
    jpegs = read_window(read, 0, len(member), window or whole)
    return np.stack([decode_frame(jpeg) for jpeg in jpegs]), label
