"""Seeded damage: bytes of any file, values of JSON, headers of safetensors, members of archives."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dvdgan.data.shard_index import SAMPLE_SCHEMA

STRANGE: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**63, 10**40, -1.5, 1e308, float("nan"), float("inf")),
    *("", "x", "../../etc/passwd", "__class__", "\0", "\ud800", "a" * 5000),
    *([], {}, [[]], [None], {"a": {}}, [0] * 1000, {"__reduce__": "os.system"}),
)
EXTREMES = (b"\0" * 8, b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\xff" * 7 + b"\x7f", b"\0\0\0\x40")


def of_bytes(content: bytes, random: Random) -> bytes:
    """Flipped bits, a cut end, parts that are zero, missing, repeated or extreme."""
    out = bytearray(content)
    reach = len(out) if random.random() < 0.5 else min(len(out), 400)
    at = random.randrange(max(reach, 1))
    if random.random() < 0.2 and len(out) > 400:
        at = len(out) - random.randrange(1, 400)  # directories and footers stand last
    length = random.choice((1, 8, 64, 1024))
    match random.randrange(7):
        case 0 | 1:
            for _ in range(random.choice((1, 2, 8))):
                place = min(len(out) - 1, at + random.randrange(64))
                out[place] ^= 1 << random.randrange(8)
        case 2:
            del out[at:]
        case 3:
            del out[at : at + length]
        case 4:
            out[at:at] = out[at : at + length] * random.choice((1, 20))
        case 5:
            out[at : at + length] = bytes(min(length, len(out) - at))
        case 6:
            value = random.choice(EXTREMES)[: random.choice((1, 2, 4, 8))]
            out[at : at + len(value)] = value
    return bytes(out)


def of_json(content: bytes, random: Random) -> bytes:
    """One or two values, or keys, are others."""
    if random.random() < 0.2:
        return of_bytes(content, random)
    if random.random() < 0.02:
        return b"[" * 100_000
    document = json.loads(content)
    for _ in range(random.choice((1, 1, 2))):
        document = _changed(document, random)
    return json.dumps(document).encode("utf-8", "surrogatepass")


def of_json_lines(content: bytes, random: Random) -> bytes:
    """One line is damaged."""
    lines = content.splitlines()
    at = random.randrange(len(lines))
    lines[at] = of_json(lines[at], random)
    return b"\n".join(lines) + b"\n"


def of_safetensors(content: bytes, random: Random) -> bytes:
    """Another header that is as long as it says, or damaged bytes."""
    if random.random() < 0.3:
        return of_bytes(content, random)
    length = int.from_bytes(content[:8], "little")
    header = of_json(content[8 : 8 + length], random)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def of_archive(content: bytes, random: Random) -> bytes:
    """Another member with a right checksum, or damaged bytes."""
    if random.random() < 0.4:
        return of_bytes(content, random)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    name = random.choice(list(members))
    if random.random() < 0.1:
        members[random.choice(("../out", "/out", "labels.npy"))] = members.pop(name)
    else:
        members[name] = of_bytes(members[name], random)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for each, data in members.items():
            archive.writestr(each, data)
    return out.getvalue()


def _changed(value: Any, random: Random) -> Any:
    """``value`` with something strange at one place in it."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(list(value))
        match random.randrange(12):
            case 0:
                return {each: value[each] for each in value if each != key}
            case 1:
                return {**value, str(random.choice(STRANGE)): random.choice(STRANGE)}
            case _:
                return {**value, key: _changed(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.8:
        at = random.randrange(len(value))
        return [*value[:at], _changed(value[at], random), *value[at + 1 :]]
    return random.choice(STRANGE)


Damage = Callable[[bytes, Random], bytes]

BY_ENDING: dict[str, Damage] = {
    ".json": of_json,
    ".jsonl": of_json_lines,
    ".yaml": of_bytes,
    ".safetensors": of_safetensors,
    ".npz": of_archive,
    ".pt": of_archive,
}


def damaged(name: str, content: bytes, random: Random) -> bytes:
    """``content`` of the file ``name`` with damage of its kind."""
    if name.endswith("samples.parquet") and random.random() < 0.5:
        return _other_cell(content, random)
    return BY_ENDING.get(Path(name).suffix, of_bytes)(content, random)


def _other_cell(content: bytes, random: Random) -> bytes:
    table = pq.read_table(io.BytesIO(content))
    name = random.choice(SAMPLE_SCHEMA.names)
    values = table[name].to_pylist()
    strange = random.choice((None, -1, 0, 2**62, 10**9, "", "../x", "a/b", float("nan")))
    values[random.randrange(len(values))] = strange
    try:
        column = pa.array(values)
    except (pa.ArrowException, TypeError):
        column = pa.array([strange] * len(values))
    out = io.BytesIO()
    place = table.column_names.index(name)
    pq.write_table(table.set_column(place, name, column), out)
    return out.getvalue()
