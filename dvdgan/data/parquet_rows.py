"""Parquet files that anyone may have written: their footers are checked before rows are read."""

import io
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

# Beyond it, a file must not unpack to more than MOST_TIMES its size.
MOST_BYTES, MOST_TIMES = 1 << 28, 200


def read_table(
    source: Path | BinaryIO | bytes, schema: pa.Schema | None = None, split: str | None = None
) -> pa.Table:
    """The table in ``source``, its columns as in ``schema``; ``split``: only rows of that split.

    Raises ValueError if it is not such a table, or would take far more memory than its size.
    """
    if isinstance(source, bytes):
        source = io.BytesIO(source)
    try:
        with pq.ParquetFile(source) as file:
            _refuse_bomb(file.metadata, _size(source))
        rows = None if split is None else [("split", "=", split)]
        # The fields of a schema have the columns' types, but not the schema's metadata.
        table = pq.read_table(source, filters=rows)
        return table if schema is None else table.select(schema.names).cast(schema)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, LookupError, TypeError, MemoryError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _refuse_bomb(metadata: pq.FileMetaData, size: int) -> None:
    # Not the columns' own entries: a damaged one ends the process here, as a C++ exception.
    groups = range(metadata.num_row_groups)
    unpacked = sum(metadata.row_group(number).total_byte_size for number in groups)
    # Each row has a path or a name of its own, hence a byte at least.
    if metadata.num_rows > size:
        raise ValueError(f"{metadata.num_rows:,} rows in {size:,} bytes")
    if unpacked > max(MOST_BYTES, MOST_TIMES * size):
        raise ValueError(f"{size:,} bytes would unpack to {unpacked:,}")


def _size(source: Path | BinaryIO) -> int:
    if isinstance(source, Path):
        return source.stat().st_size
    size = source.seek(0, io.SEEK_END)
    source.seek(0)
    return size
