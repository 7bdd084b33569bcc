"""The manifest: a row per accepted video, a row per refused path, and their counts.

manifest.parquet, refused.csv and summary.json depend on the files and the params alone: not on
the number of workers, the machine's order of directory entries, or the time.
"""

import csv
import io
import json
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.json import ParseOptions, ReadOptions, read_json

from dvdgan.data.parquet_rows import read_table
from dvdgan.data.refusal import Refused
from dvdgan.storage.local import atomic_file, write_json
from dvdgan.storage.reading import reading

TRAIN, TEST = "train", "test"

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("path", pa.string()),
        ("member", pa.string()),
        ("offset", pa.int64()),
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("bytes", pa.int64()),
        ("sha256", pa.string()),
        ("class", pa.string()),
        ("label", pa.int64()),
        ("split", pa.string()),
        ("frames", pa.int64()),
        ("fps", pa.float64()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("sample_aspect", pa.float64()),
        ("duration", pa.float64()),
        ("codec", pa.string()),
        ("group", pa.string()),
        ("duplicate_of", pa.string()),
    ]
)


@dataclass(frozen=True)
class Manifest:
    """Rows of manifest.parquet (columns of SCHEMA) and of refused.csv, both sorted by path.

    ``probed``: how many videos had to be decoded for it, ``recognised``: how many new ones had the
    bytes of videos that were decoded before. ``ignored``: hidden and system files that were left
    out, by pattern; not written, since they come and go and are not data. ``notes``: what else is
    to be known, a sentence each.
    """

    videos: list[dict[str, Any]]
    refused: list[Refused]
    probed: int
    recognised: int
    ignored: "Counter[str]"
    notes: list[str] = field(default_factory=list)


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write manifest.parquet, refused.csv and summary.json into ``folder``."""
    write_rows(manifest.videos, SCHEMA, folder / "manifest.parquet")
    with (
        atomic_file(folder / "refused.csv") as aside,
        aside.open("w", encoding="utf-8", newline="") as file,
    ):
        # Everything quoted: names hold newlines and carriage returns.
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(["path", "reason", "detail"])
        writer.writerows([row.path, row.reason.value, row.detail] for row in manifest.refused)
    write_json(folder / "summary.json", summarise(manifest))


def read_manifest(file: Path | BinaryIO) -> list[dict[str, Any]]:
    """The rows of manifest.parquet, keys as in SCHEMA. Raises DamagedFileError if it is not one."""
    name = file if isinstance(file, Path) else "manifest.parquet"
    with reading(name, "a manifest of videos"):
        rows: list[dict[str, Any]] = read_table(file).to_pylist()
    return rows


def summarise(manifest: Manifest) -> dict[str, Any]:
    """Counts per split, per class and split, and per reason; frames per video."""
    splits = Counter(row["split"] for row in manifest.videos)
    classes: dict[str, dict[str, int]] = {}
    for row in manifest.videos:
        classes.setdefault(row["class"], {TRAIN: 0, TEST: 0})[row["split"]] += 1
    lengths = [row["frames"] for row in manifest.videos]
    reasons = Counter(row.reason for row in manifest.refused)
    return {
        "videos": len(manifest.videos),
        "splits": {name: splits[name] for name in (TRAIN, TEST)},
        "classes": classes,
        "groups": len({row["group"] for row in manifest.videos}),
        "duplicates": sum(row["duplicate_of"] is not None for row in manifest.videos),
        "frames": {
            "min": min(lengths, default=0),
            "median": float(statistics.median(lengths)) if lengths else 0.0,
            "max": max(lengths, default=0),
        },
        "refused": {reason.value: count for reason, count in commonest(reasons)},
    }


def commonest(reasons: "Counter[Any]") -> list[tuple[Any, int]]:
    """Reasons and counts, the commonest first, ties by name."""
    return sorted(reasons.items(), key=lambda item: (-item[1], item[0]))


def write_rows(rows: Sequence[dict[str, Any]], schema: pa.Schema, file: Path) -> None:
    """Write ``rows`` as a parquet ``file`` of ``schema``; equal rows give equal bytes."""
    table = _table(rows, schema) if rows else schema.empty_table()
    with atomic_file(file) as aside:
        pq.write_table(table.replace_schema_metadata(schema.metadata), aside)


def _table(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    # By way of JSON, since Arrow imports pandas (a second) where it is given Python lists. Both
    # sides write floats so that they are read back exactly.
    text = "\n".join(json.dumps(row) for row in rows).encode()
    return read_json(
        io.BytesIO(text),
        # One block, since a row may not be longer than a block.
        read_options=ReadOptions(use_threads=False, block_size=len(text)),
        parse_options=ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
    )
