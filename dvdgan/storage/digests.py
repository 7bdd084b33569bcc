"""The digests of a file as S3 shows them of an upload in parts."""

import base64
import hashlib
from pathlib import Path
from typing import NamedTuple


class Digests(NamedTuple):
    """Of a file as an upload in parts shows it: what HEAD must answer."""

    size: int
    sha256: str
    checksum: str
    """ChecksumSHA256: base64; of several parts the sha256 of their sha256s."""
    etags: frozenset[str]
    """The md5 in hex, which servers other than AWS show of several parts too, and that of S3's for
    several parts, the md5 of their md5s."""


def digests_of(source: Path, part_bytes: int) -> Digests:
    """Read ``source`` once, as it is uploaded: in parts of ``part_bytes``, the last one shorter."""
    whole, whole_md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    sha256s: list[bytes] = []
    md5s: list[bytes] = []
    with source.open("rb") as file:
        while (data := file.read(part_bytes)) or not md5s:
            size += len(data)
            whole.update(data)
            whole_md5.update(data)
            sha256s.append(hashlib.sha256(data).digest())
            md5s.append(hashlib.md5(data, usedforsecurity=False).digest())
    if len(md5s) > 1:
        sha256s = [hashlib.sha256(b"".join(sha256s)).digest()]
        md5s = [hashlib.md5(b"".join(md5s), usedforsecurity=False).digest()]
    checksum = base64.b64encode(sha256s[0]).decode()
    return Digests(
        size, whole.hexdigest(), checksum, frozenset({md5s[0].hex(), whole_md5.hexdigest()})
    )
