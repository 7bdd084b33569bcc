"""What index.json and samples.parquet say of a set of shards, checked before any tar is opened.

They may have been written by anyone. Names stay inside the set, bytes inside their tar, and the
member at each offset has to be the regular file that the sample names.
"""

import json
import re
import tarfile
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dvdgan.data.frame_pack import HEADER, OFFSET, Read
from dvdgan.data.parquet_rows import read_table
from dvdgan.errors import UserError

SAMPLE_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("label", pa.int64()),
        ("split", pa.string()),
        ("shard", pa.string()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("frames", pa.int64()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("fps", pa.float64()),
    ]
)

# What precedes the bytes of a member in its tar.
HEADER_BYTES = tarfile.BLOCKSIZE
_NAME = re.compile(r"[^/\\\0.][^/\\\0]*\.tar")
_ID = re.compile(r"[^/\\\0.][^/\\\0]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Tar(NamedTuple):
    """A tar of the set: its file name, its split, its length, and the sha256 of its bytes."""

    name: str
    split: str
    bytes: int
    sha256: str


class ShardIndex(NamedTuple):
    """What index.json says: class names by label, the stored short side, the tars by name."""

    classes: list[str]
    short_side: int
    tars: Mapping[str, Tar]


def parse_index(data: bytes, where: str) -> ShardIndex:
    """Raises UserError if ``data`` is not an index of shards."""
    try:
        index = json.loads(data)
        classes, short_side = index["classes"], index["short_side"]
        tars = [Tar(*(each[key] for key in Tar._fields)) for each in index["shards"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        why = f"{type(error).__name__}: {error}"
        raise _refused(f"this is not an index of shards ({why})", where) from None
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise _refused("classes is not a list of names", where)
    if not _is_count(short_side):
        raise _refused(f"short_side is {short_side!r}, not a number of pixels", where)
    for tar in tars:
        if not isinstance(tar.name, str) or not _NAME.fullmatch(tar.name):
            raise _refused(f"{tar.name!r} is not the file name of a tar next to index.json", where)
        digest = _SHA256.fullmatch(str(tar.sha256))
        if not (isinstance(tar.split, str) and _is_count(tar.bytes) and digest):
            raise _refused(f"split, bytes or sha256 of {tar.name} are invalid", where)
    by_name = {tar.name: tar for tar in tars}
    if len(by_name) < len(tars):
        raise _refused("two tars have the same name", where)
    return ShardIndex(classes, short_side, by_name)


def parse_samples(
    data: bytes, split: str, index: ShardIndex, where: str
) -> dict[str, NDArray[Any]]:
    """The columns of samples.parquet, of the rows of ``split``.

    Raises UserError if it is not a table of samples, or a sample lies outside its tar.
    """
    try:
        table = read_table(data, SAMPLE_SCHEMA, split)
    except ValueError as error:
        raise _refused(f"this is not a table of samples ({error})", where) from None
    if any(column.null_count for column in table.columns):
        raise _refused("there are empty cells", where)
    columns = {name: table[name].to_numpy() for name in table.column_names}
    names = set(columns["shard"])
    if unknown := sorted(names - index.tars.keys()):
        raise _refused(f"{unknown[0]!r} is not a tar in index.json", where)
    lengths = {name: tar.bytes for name, tar in index.tars.items()}
    ends = np.array([lengths[name] for name in columns["shard"]], np.int64)
    offset, size, frames, label = (columns[key] for key in ("offset", "size", "frames", "label"))
    names_outside = [not _ID.fullmatch(each) for each in columns["id"]]
    most = (size - HEADER.size) // OFFSET.itemsize
    small = np.minimum(columns["height"], columns["width"]) < 1
    wrong = {
        "has a name that points outside the tar": np.array(names_outside, bool),
        "is outside its tar": (offset < HEADER_BYTES) | (size > ends) | (offset > ends - size),
        "has no frames, or more than fit its bytes": (frames < 1) | (frames >= most),
        "has a label without a class": (label < 0) | (label >= len(index.classes)),
        "has no pixels": small,
        "has no frame rate": ~(np.isfinite(columns["fps"]) & (columns["fps"] > 0)),
    }
    for what, rows in wrong.items():
        if rows.any():
            first = int(rows.argmax())
            raise _refused(f"sample {columns['id'][first]!r} {what}", where)
    return columns


def of_member(read: Read, sample: str, at: int, size: int) -> Read:
    """``read`` for the member at byte ``at``; the first call reads and checks its header, too.

    ValueError if the header there is not that of a regular file `<sample>.frames` of ``size``
    bytes: it may be a link, or have a name that leads elsewhere.
    """
    checked = False

    def read_member(start: int, length: int) -> bytes:
        nonlocal checked
        if checked:
            return read(start, length)
        data = read(at - HEADER_BYTES, HEADER_BYTES + start - at + length)
        _check_header(data[:HEADER_BYTES], f"{sample}.frames", size)
        checked = True
        return data[HEADER_BYTES + start - at :]

    return read_member


def _check_header(header: bytes, name: str, size: int) -> None:
    try:
        found = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise ValueError(f"there is no member {name} ({error})") from error
    if found.name != name or found.type != tarfile.REGTYPE or found.size != size:
        what = f"{found.name!r} of type {found.type!r} with {found.size} bytes"
        raise ValueError(f"the member there is {what}, not the file {name} with {size} bytes")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**62


def _refused(what: str, where: str) -> UserError:
    return UserError(
        what,
        where=where,
        todo="delete artifacts/shards, also in DVC's cache, and run `dvc pull shard` or "
        "`dvc repro shard` (docs/runbooks.md)",
    )
