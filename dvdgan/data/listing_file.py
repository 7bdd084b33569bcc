"""A listing of raw data in a file, which DVC compares instead of the videos."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dvdgan.data.listing import ListedFile, Listing
from dvdgan.data.manifest import write_rows
from dvdgan.data.parquet_rows import read_table
from dvdgan.data.refusal import Refusal, Refused
from dvdgan.errors import UserError

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("etag", pa.string()),
        ("refused", pa.string()),
        ("detail", pa.string()),
    ]
)
# The key of the schema's metadata that names the place of the files.
ROOT = b"root"


def write_listing(listing: Listing, root: str, file: Path) -> None:
    """Write ``listing`` as a parquet ``file`` of SCHEMA; equal listings give equal bytes.

    ``root``: the location of the files, which `read_root` returns.
    """
    rows: list[dict[str, object]] = []
    for entry in listing.entries:
        if isinstance(entry, ListedFile):
            rows.append({**asdict(entry), "refused": None, "detail": None})
        else:
            rows.append({"path": entry.path, "refused": entry.reason.value, "detail": entry.detail})
    write_rows(rows, SCHEMA.with_metadata({ROOT: root.encode()}), file)


def describe_changes(before: Listing, now: Listing) -> str:
    """For instance: 3 added, 1 changed, 0 removed."""
    added = now.files.keys() - before.files.keys()
    removed = before.files.keys() - now.files.keys()
    both = now.files.keys() & before.files.keys()
    changed = sum(now.files[path] != before.files[path] for path in both)
    return f"{len(added)} added, {changed} changed, {len(removed)} removed"


def read_root(file: Path) -> str:
    """The location of the files of a listing. Raises UserError if ``file`` is not a listing."""
    try:
        metadata: dict[bytes, bytes] = pq.read_schema(file).metadata or {}
        return metadata[ROOT].decode()
    except (OSError, pa.ArrowException, KeyError, UnicodeDecodeError) as error:
        raise _not_a_listing(file, error) from error


def is_listing(file: Path) -> bool:
    """Whether `write_listing` wrote ``file``."""
    try:
        return ROOT in (pq.read_schema(file).metadata or {})
    except (OSError, pa.ArrowException):
        return False


def read_listing(file: Path) -> Listing:
    """The listing that `write_listing` wrote. Raises UserError if ``file`` is not a listing."""
    try:
        rows = read_table(file, SCHEMA).to_pylist()
        return Listing([_entry(row) for row in rows], Counter())
    except (OSError, ValueError) as error:
        raise _not_a_listing(file, error) from error


def _not_a_listing(file: Path, error: Exception) -> UserError:
    return UserError(
        f"{file} is a file, but not a listing of videos ({type(error).__name__}: {error})",
        where=f"index.root = {file}",
        todo="give a folder or s3://BUCKET/PREFIX; `dvdgan listing` writes a listing of either",
    )


def _entry(row: dict[str, Any]) -> ListedFile | Refused:
    path = row["path"]
    if path is None or (row["refused"] or row["size"]) is None:
        raise ValueError(f"the row {row} lacks a value")
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"the path {path!r} leads out of the root")
    if row["refused"] is not None:
        return Refused(path, Refusal(row["refused"]), row["detail"] or "")
    return ListedFile(path, row["size"], row["mtime_ns"], row["etag"])
