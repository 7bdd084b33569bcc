"""Files that go to S3 in parts, each part another."""

import hashlib
from pathlib import Path

from dvdgan.storage.s3_client import RetryPolicy

MIB = 1 << 20
# Part sizes below 5 MiB are refused by S3 itself.
QUICK = RetryPolicy(connect_seconds=1, read_seconds=1, attempts=3, part_bytes=5 * MIB)


def file_of(path: Path, size: int) -> Path:
    """Bytes that differ from part to part."""
    block = hashlib.sha256(str(size).encode()).digest() * 32
    data = b"".join(number.to_bytes(8, "big") + block for number in range(size // 1032 + 1))
    path.write_bytes(data[:size])
    return path
