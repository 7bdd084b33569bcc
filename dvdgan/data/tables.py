"""Rows -> parquet, without the second that importing pandas takes."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.json import ParseOptions, ReadOptions, read_json

from dvdgan.storage.local import atomic_file


def write_rows(rows: Sequence[dict[str, Any]], schema: pa.Schema, file: Path) -> None:
    """Write ``rows`` as a parquet ``file`` of ``schema``; equal rows give equal bytes."""
    with atomic_file(file) as aside:
        pq.write_table(_table(rows, schema) if rows else schema.empty_table(), aside)


def _table(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    # Arrow imports pandas, where it is installed, to look at any Python list it is given; at JSON
    # it does not look. Both sides write floats so that they are read back exactly.
    text = "\n".join(json.dumps(row) for row in rows).encode()
    return read_json(
        io.BytesIO(text),
        # One block, since a row may not be longer than a block.
        read_options=ReadOptions(use_threads=False, block_size=len(text)),
        parse_options=ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
    )
