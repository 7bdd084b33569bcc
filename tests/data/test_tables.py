"""Parquet written by us is what pyarrow's own reader gives back."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dvdgan.data.tables import write_rows

SCHEMA = pa.schema([("text", pa.string()), ("count", pa.int64()), ("value", pa.float64())])


def test_rows_come_back_exactly(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = [*rng.standard_normal(1000) * 10.0 ** rng.integers(-300, 300, 1000), 0.0, math.pi]
    texts = ["", None, 'é\n\r\t"\\\u2028 видео', "2020-01-01", "null", "1"]
    rows = [
        {"text": texts[i % len(texts)], "count": 2**63 - 1 - i, "value": float(value)}
        for i, value in enumerate(values)
    ]
    write_rows(rows, SCHEMA, tmp_path / "table.parquet")
    table = pq.read_table(tmp_path / "table.parquet")
    assert table.schema.equals(SCHEMA)
    assert table.to_pylist() == rows


def test_no_rows_are_a_table_too(tmp_path: Path) -> None:
    write_rows([], SCHEMA, tmp_path / "table.parquet")
    assert pq.read_table(tmp_path / "table.parquet").schema.equals(SCHEMA)
