"""Reads TensorFlow V2 checkpoints without TensorFlow.

A checkpoint is two files: `model.ckpt.index`, a LevelDB table of variable names to
BundleEntryProto, and `model.ckpt.data-00000-of-00001`, the tensors one after another,
little-endian. The masked CRC-32C of every block and tensor read is checked.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dvdgan.errors import UserError
from dvdgan.storage.ignored import without_ignored
from dvdgan.storage.masked_crc32c import masked_crc32c

INDEX, DATA = ".index", ".data-00000-of-00001"
TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER_BYTES, BLOCK_TRAILER_BYTES = 48, 5
FLOAT32 = 1
# Of a number of 64 bits, 7 bits in each byte.
LAST_SHIFT = 63

Fields = dict[int, list[int | bytes]]


@dataclass(frozen=True)
class Variable:
    """One float32 tensor of a checkpoint: where its bytes are, and their masked CRC-32C."""

    name: str
    shape: tuple[int, ...]
    offset: int
    size: int
    crc32c: int


def checkpoint_prefix(path: Path) -> Path:
    """`.../model.ckpt` for that path itself, either of its files, or the folder they are in."""
    if path.is_dir():
        found = without_ignored(path.glob(f"*{INDEX}"), path)
        if len(found) != 1:
            raise UserError(f"{len(found)} files *{INDEX} are in this folder", where=str(path))
        path = found[0]
    return Path(str(path).removesuffix(INDEX).removesuffix(DATA))


def read_index(prefix: Path) -> dict[str, Variable]:
    """The variables of a checkpoint by name. Raises UserError for a missing or damaged index."""
    path = Path(f"{prefix}{INDEX}")
    if not path.is_file():
        raise UserError("a TensorFlow checkpoint has an index file", where=f"{path} is missing")
    try:
        entries = dict(_table(path.read_bytes()))
        if entries.pop(b"", b"") == b"":
            raise ValueError("there is no header")
        variables = [_variable(name.decode(), value) for name, value in entries.items()]
    except (ValueError, IndexError, struct.error) as error:
        raise UserError(
            f"{path.name} is not a complete index of a TensorFlow V2 checkpoint: {error}",
            where=str(path),
            todo="download it again",
        ) from error
    return {variable.name: variable for variable in variables}


def read_tensors(prefix: Path, variables: Iterable[Variable]) -> dict[str, NDArray[np.float32]]:
    """The tensors of ``variables`` by name. UserError names those that are cut off or altered."""
    path = Path(f"{prefix}{DATA}")
    if not path.is_file():
        raise UserError("the tensors of a checkpoint are in its data file", where=f"{path} missing")
    tensors, damaged, length = {}, [], path.stat().st_size
    with path.open("rb") as file:
        for variable in variables:
            inside = variable.offset + variable.size <= length
            file.seek(variable.offset if inside else length)
            content = file.read(variable.size if inside else 0)
            if not inside or masked_crc32c(content) != variable.crc32c:
                damaged.append(variable.name)
            else:
                array = np.frombuffer(content, "<f4").reshape(variable.shape)
                tensors[variable.name] = array
    if damaged:
        shown = ", ".join(damaged[:5]) + (" ..." if len(damaged) > 5 else "")
        raise UserError(
            f"{len(damaged)} tensors are cut off or altered: {shown}",
            where=str(path),
            todo="download it again, and compare its size with the one `dvdgan convert` lists",
        )
    return tensors


def identity(variables: Iterable[Variable]) -> str:
    """One sha256 over names, shapes and checksums: equal for equal tensors, whatever the file."""
    lines = (
        f"{each.name} {'x'.join(map(str, each.shape))} {each.crc32c:08x}\n" for each in variables
    )
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a LevelDB table without compression, in order."""
    footer = content[-FOOTER_BYTES:]
    if footer[-8:] != TABLE_MAGIC:
        raise ValueError("the end of the table is missing")
    _, at = _handle(footer, 0)  # of the metaindex, which is empty
    index, _ = _handle(footer, at)
    for _, handle in _block(content, *index):
        yield from _block(content, *_handle(handle, 0)[0])


def _block(content: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    whole = content[offset : offset + size + 1]  # with its compression type
    if len(whole) < size + 1 or whole[-1] != 0:
        raise ValueError("a block is cut off or compressed")
    [crc] = struct.unpack_from("<I", content, offset + size + 1)
    if masked_crc32c(whole) != crc:
        raise ValueError("the checksum of a block is wrong")
    [restarts] = struct.unpack_from("<I", whole, size - 4)
    at, key = 0, b""
    while at < size - 4 * (restarts + 1):
        shared, at = _varint(whole, at)
        fresh, at = _varint(whole, at)
        length, at = _varint(whole, at)
        key = key[:shared] + whole[at : at + fresh]
        yield key, whole[at + fresh : at + fresh + length]
        at += fresh + length


def _variable(name: str, entry: bytes) -> Variable:
    fields = _fields(entry)
    dims = _fields(_bytes(fields, 2)).get(2, [])
    shape = tuple(_number(_fields(dim), 1) for dim in dims if isinstance(dim, bytes))
    size = _number(fields, 5)
    if _number(fields, 1) != FLOAT32 or size != 4 * prod(shape) or _number(fields, 3) != 0:
        raise ValueError(f"{name} is not a float32 tensor of the one data file")
    return Variable(name, shape, _number(fields, 4), size, _number(fields, 6))


def _fields(message: bytes) -> Fields:
    """A protocol buffer's fields by number: varints and fixed32 as int, the rest as bytes."""
    fields: Fields = {}
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        value: int | bytes
        match tag & 7:
            case 0:
                value, at = _varint(message, at)
            case 2:
                length, at = _varint(message, at)
                value, at = message[at : at + length], at + length
            case 5:
                [value], at = struct.unpack_from("<I", message, at), at + 4
            case other:
                raise ValueError(f"a field of wire type {other}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _number(fields: Fields, key: int) -> int:
    value = fields.get(key, [0])[-1]
    return value if isinstance(value, int) else 0


def _bytes(fields: Fields, key: int) -> bytes:
    value = fields.get(key, [b""])[-1]
    return value if isinstance(value, bytes) else b""


def _handle(content: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = _varint(content, at)
    size, at = _varint(content, at)
    return (offset, size), at


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        if shift > LAST_SHIFT:
            raise ValueError("a number is too long")
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
