"""Stands in for the published files: the same names and shapes, made-up weights."""

import json
import runpy
import struct
from pathlib import Path

import google_crc32c
import numpy as np
import pytest

REFERENCE = Path(__file__).resolve().parents[3] / "../shared/data/reference"
ENTRIES_PER_BLOCK, RESTART_EVERY = 50, 16


def reference():
    """The rule that makes weights and clips of the I3D cases; skips where it is missing."""
    if not (REFERENCE / "i3d_parity.py").is_file():
        pytest.skip(f"{REFERENCE} is not here")
    return runpy.run_path(str(REFERENCE / "i3d_parity.py"))


def variable_table(classes):
    """The official checkpoint's table of variables; 400 or 600."""
    path = REFERENCE / f"i3d_k{classes}_variables.json"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    return json.loads(path.read_text(encoding="utf-8"))["variables"]


def masked(content):
    crc = google_crc32c.value(content)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32


def write_checkpoint(prefix, tensors):
    """A TensorFlow V2 checkpoint of float32 arrays by name."""
    entries, data = {}, b""
    for name in sorted(tensors):
        content = np.ascontiguousarray(tensors[name], "<f4").tobytes()
        entries[name] = (tensors[name].shape, len(data), len(content), masked(content))
        data += content
    prefix.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{prefix}.data-00000-of-00001").write_bytes(data)
    write_index(prefix, entries)


def write_index(prefix, entries):
    """The index file: a LevelDB table of (shape, offset, size, masked CRC-32C) by name."""
    rows = [(b"", b"\x08\x01\x1a\x02\x08\x01")]
    rows += [(name.encode(), _entry(*entries[name])) for name in sorted(entries)]
    table, handles = b"", []
    for start in range(0, len(rows), ENTRIES_PER_BLOCK):
        part = rows[start : start + ENTRIES_PER_BLOCK]
        table, handle = _append(table, part)
        handles.append((part[-1][0] + b"~", handle))
    table, metaindex = _append(table, [])
    table, index = _append(table, handles)
    footer = (metaindex + index).ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")
    Path(f"{prefix}.index").write_bytes(table + footer)


def _append(table, rows):
    body, restarts, before = b"", [], b""
    for place, (key, value) in enumerate(rows):
        if place % RESTART_EVERY == 0:
            restarts.append(len(body))
            before = b""
        shared = 0
        while shared < min(len(key), len(before)) and key[shared] == before[shared]:
            shared += 1
        lengths = _varint(shared) + _varint(len(key) - shared) + _varint(len(value))
        body += lengths + key[shared:] + value
        before = key
    restarts = restarts or [0]
    body += struct.pack(f"<{len(restarts)}I", *restarts) + struct.pack("<I", len(restarts))
    handle = _varint(len(table)) + _varint(len(body))
    block = body + b"\0"
    return table + block + struct.pack("<I", masked(block)), handle


def _entry(shape, offset, size, crc):
    dims = b"".join(_message(2, b"\x08" + _varint(length)) for length in shape)
    place = b"\x20" + _varint(offset) if offset else b""  # zero is left out, as protobuf does
    return b"\x08\x01" + _message(2, dims) + place + b"\x28" + _varint(size) + _fixed(6, crc)


def _message(field, content):
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def _fixed(field, value):
    return bytes([field << 3 | 5]) + struct.pack("<I", value)


def _varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])
