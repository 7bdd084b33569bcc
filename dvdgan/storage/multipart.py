"""An S3 upload in parts: the digests that name a part, and which parts are there already.

A part is known by what the server says of it: its sha256 where it keeps that, else its ETag, which
is the md5 unless the bucket is encrypted with a key of its own. (Then nothing is known of a part,
and it is sent again.)
"""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_PARTS = 10_000


@dataclass(frozen=True)
class Part:
    """``sha256`` in base64, as S3 writes it; ``md5`` in hex, as an ETag has it."""

    sha256: str
    md5: str


@dataclass(frozen=True)
class Digests:
    """Of a file: its size and part size in bytes, the sha256 of all of it (hex), its parts."""

    size: int
    part_bytes: int
    sha256: str
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, data: bytes) -> "Digests":
        """Of bytes that go as one part."""
        digest = hashlib.sha256(data).hexdigest()
        return cls(len(data), max(len(data), 1), digest, (_part(data),))

    def match(self, head: dict[str, Any]) -> bool:
        """Whether the object that ``head`` tells of is this file, uploaded whole."""
        if head["ContentLength"] != self.size:
            return False
        if head.get("Metadata", {}).get("sha256") != self.sha256:
            return False
        told = head.get("ChecksumSHA256")
        if told is not None:
            return bool(told.partition("-")[0] == self._whole("sha256"))
        if head.get("ServerSideEncryption", "AES256") != "AES256":
            return True  # the server compared each part with the sha256 it was sent with
        etag: str = head["ETag"].strip('"').partition("-")[0]
        return etag == self._whole("md5")

    def _whole(self, kind: str) -> str:
        """The digest S3 gives the whole: that of its one part, or the digest of the digests."""
        if kind == "md5":
            raw = [bytes.fromhex(part.md5) for part in self.parts]
            if len(raw) == 1:
                return raw[0].hex()
            return hashlib.md5(b"".join(raw), usedforsecurity=False).hexdigest()
        raw = [base64.b64decode(part.sha256) for part in self.parts]
        whole = raw[0] if len(raw) == 1 else hashlib.sha256(b"".join(raw)).digest()
        return base64.b64encode(whole).decode()


def digests_of(source: Path, part_bytes: int) -> Digests:
    """Read ``source`` once; the parts grow where more than 10,000 would be needed."""
    size = source.stat().st_size
    part_bytes = max(part_bytes, -(-size // MOST_PARTS))
    whole, parts = hashlib.sha256(), []
    with source.open("rb") as file:
        while data := file.read(part_bytes):
            whole.update(data)
            parts.append(_part(data))
    return Digests(size, part_bytes, whole.hexdigest(), tuple(parts or [_part(b"")]))


def sends(source: Path, digests: Digests, there: dict[int, str]) -> Iterator[tuple[int, bytes]]:
    """Number (from 1) and bytes of each part that is not ``there``."""
    with source.open("rb") as file:
        for number in range(1, len(digests.parts) + 1):
            if number not in there:
                file.seek((number - 1) * digests.part_bytes)
                yield number, file.read(digests.part_bytes)


def listed(digests: Digests, etags: dict[int, str]) -> dict[str, Any]:
    """The parts as the request that completes an upload lists them; ``etags`` by number."""
    parts = [
        {"PartNumber": number, "ETag": etags[number], "ChecksumSHA256": part.sha256}
        for number, part in enumerate(digests.parts, start=1)
    ]
    return {"Parts": parts}


def unfinished(
    client: Any, place: dict[str, str], digests: Digests
) -> tuple[str | None, dict[int, str]]:
    """An upload of this very file that was cut off, and the ETags of its parts by number.

    ``client``: boto3's. Uploads of the same key that hold anything else are aborted: their parts
    would be paid for until somebody noticed.
    """
    listed = client.get_paginator("list_multipart_uploads")
    pages = listed.paginate(Bucket=place["Bucket"], Prefix=place["Key"])
    found: tuple[str | None, dict[int, str]] = None, {}
    for upload in [each for page in pages for each in page.get("Uploads", [])]:
        if upload["Key"] != place["Key"]:
            continue
        name = upload["UploadId"]
        parts = client.get_paginator("list_parts").paginate(**place, UploadId=name)
        there = [part for page in parts for part in page.get("Parts", [])]
        if there and found[0] is None and all(_is_of(part, digests) for part in there):
            found = name, {part["PartNumber"]: part["ETag"] for part in there}
        else:
            client.abort_multipart_upload(**place, UploadId=name)
    return found


def _part(data: bytes) -> Part:
    sha256 = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return Part(sha256, hashlib.md5(data, usedforsecurity=False).hexdigest())


def _is_of(part: dict[str, Any], digests: Digests) -> bool:
    if part["PartNumber"] > len(digests.parts):
        return False
    own = digests.parts[part["PartNumber"] - 1]
    told = part.get("ChecksumSHA256")
    return bool(told == own.sha256 if told else part["ETag"].strip('"') == own.md5)
