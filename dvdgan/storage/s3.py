"""S3, and whatever speaks it: the only door to boto3.

Retries, their backoff and its jitter are botocore's ("adaptive"); every wait has an end, so that a
server that hangs is a server that fails. What boto3 does not do is done here: an upload that was
killed goes on, and a download cut off in mid-body is taken up at the byte where it ended.
"""

import hashlib
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from dvdgan.errors import UserError, redacted
from dvdgan.storage.local import CHUNK_BYTES, atomic_file
from dvdgan.storage.multipart import Digests, digests_of, listed, sends, unfinished
from dvdgan.storage.pace import Pace
from dvdgan.storage.store import StoreUnavailableError, checked

ABSENT = ("NoSuchKey", "NotFound", "404")
# Answers of 400 and the like that are no fault of the request.
PASSING = (
    "BadDigest",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "TooManyRequests",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
)
# For the request that removes a failed upload: the command may be about to end.
LAST_SECONDS = 10.0
# A process makes its client once, whichever of its threads comes first.
_MAKING = threading.Lock()


@dataclass(frozen=True)
class Patience:
    """How long to wait, seconds, and how often to try; the size of a part, bytes (S3: 5 MiB on)."""

    connect_seconds: float = 10.0
    read_seconds: float = 60.0
    attempts: int = 6
    part_bytes: int = 16 << 20
    connections: int = 32


class S3Store:
    """The objects of ``bucket`` below ``prefix``. See Store for what each call does."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        pace: Pace | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self._pace = pace or Pace()
        self._patience = patience or Patience()
        self._clients: dict[int, Any] = {}

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def __getstate__(self) -> dict[str, Any]:
        """For a worker process, which makes a client of its own."""
        return self.__dict__ | {"_clients": {}}

    def put(self, source: Path, key: str) -> None:
        digests = digests_of(source, self._patience.part_bytes)
        if self._holds(key, digests):
            return
        if digests.size <= self._patience.part_bytes:
            self._put(key, source.read_bytes())
        else:
            self._put_parts(source, key, digests)
        if not self._holds(key, digests):
            self.delete(key)
            raise StoreUnavailableError(f"{self}/{key} arrived damaged and was removed")

    def fetch(self, key: str, target: Path) -> None:
        head = self._head(key)
        told = head.get("Metadata", {}).get("sha256")
        digest = hashlib.sha256()
        with atomic_file(target) as aside, aside.open("wb") as file:
            for chunk in self._chunks(key, 0, head["ContentLength"], head["ETag"]):
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            if told is not None and digest.hexdigest() != told:
                raise ValueError(f"{self}/{key} does not have the sha256 it was sent with")

    def read(self, key: str, start: int, length: int) -> bytes:
        return b"".join(self._chunks(key, start, length)) if length else b""

    def read_bytes(self, key: str) -> bytes:
        head = self._head(key)
        return b"".join(self._chunks(key, 0, head["ContentLength"], head["ETag"]))

    def write_bytes(self, key: str, data: bytes) -> None:
        self._put(key, data)

    def size(self, key: str) -> int:
        length: int = self._head(key)["ContentLength"]
        return length

    def sha256(self, key: str) -> str | None:
        told: str | None = self._head(key).get("Metadata", {}).get("sha256")
        return told

    def keys(self, prefix: str = "") -> list[str]:
        found: list[str] = []
        with self._translated(f"list {prefix}"):
            pages = self._client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix + prefix):
                found += [entry["Key"] for entry in page.get("Contents", [])]
        return sorted(key.removeprefix(self.prefix) for key in found)

    def delete(self, key: str) -> None:
        with self._translated(f"delete {key}"):
            self._client().delete_object(**self._object(key))

    def _client(self) -> Any:
        """This process's client: connections do not survive a fork."""
        process = os.getpid()
        with _MAKING:
            if process not in self._clients:
                self._clients[process] = self._make_client(self._patience)
        return self._clients[process]

    def _make_client(self, patience: Patience) -> Any:
        config = Config(
            connect_timeout=patience.connect_seconds,
            read_timeout=patience.read_seconds,
            retries={"mode": "adaptive", "total_max_attempts": patience.attempts},
            max_pool_connections=patience.connections,
        )
        try:
            return Session().client("s3", config=config)
        except ValueError as error:
            raise UserError(str(error), where="AWS_ENDPOINT_URL") from None

    def _object(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.prefix + checked(key)}

    def _head(self, key: str) -> dict[str, Any]:
        with self._translated(f"look at {key}"):
            head: dict[str, Any] = self._client().head_object(
                **self._object(key), ChecksumMode="ENABLED"
            )
        return head

    def _holds(self, key: str, digests: Digests) -> bool:
        try:
            return digests.match(self._head(key))
        except FileNotFoundError:
            return False

    def _put(self, key: str, data: bytes) -> None:
        self._pace.take(len(data))
        sums = Digests.of(data)
        with self._translated(f"write {key}"):
            self._client().put_object(
                **self._object(key),
                Body=data,
                ChecksumSHA256=sums.parts[0].sha256,
                Metadata={"sha256": sums.sha256},
            )

    def _put_parts(self, source: Path, key: str, digests: Digests) -> None:
        """Go on with the upload that a killed process left, or begin one; abort it on failure."""
        place, client = self._object(key), self._client()
        with self._translated(f"write {key}"):
            upload, there = unfinished(client, place, digests)
            if upload is None:
                upload = client.create_multipart_upload(
                    **place, ChecksumAlgorithm="SHA256", Metadata={"sha256": digests.sha256}
                )["UploadId"]
        this = {**place, "UploadId": upload}
        try:
            for number, data in sends(source, digests, there):
                self._pace.take(len(data))
                with self._translated(f"write {key}"):
                    there[number] = client.upload_part(
                        **this,
                        PartNumber=number,
                        Body=data,
                        ChecksumSHA256=digests.parts[number - 1].sha256,
                    )["ETag"]
            with self._translated(f"write {key}"):
                client.complete_multipart_upload(**this, MultipartUpload=listed(digests, there))
        except BaseException:
            self._abort(this)
            raise

    def _abort(self, upload: dict[str, str]) -> None:
        """Have the parts of ``upload`` removed, which are paid for; one try, without delay.

        Where the store is away they stay: the next upload of the same file goes on with them, and
        a lifecycle rule removes the rest.
        """
        hasty = replace(self._patience, attempts=1, read_seconds=LAST_SECONDS)
        try:
            self._make_client(hasty).abort_multipart_upload(**upload)
        except (BotoCoreError, ClientError, OSError) as error:
            left = redacted(f"{self}: parts of {upload['Key']} are left: {error}")
            print(left, file=sys.stderr)

    def _chunks(self, key: str, start: int, length: int, etag: str = "") -> Iterator[bytes]:
        """``length`` bytes from ``start``, asked for again from where an answer broke off."""
        position, end, cuts = start, start + length, 0
        while position < end:
            answer = self._answer(key, position, end, etag)
            begun, etag = position, answer["ETag"]  # the rest has to be of the same object
            try:
                with self._translated(f"read {key}"), answer["Body"] as body:
                    while chunk := body.read(CHUNK_BYTES):
                        position += len(chunk)
                        self._pace.take(len(chunk))
                        yield chunk
                if position < end:
                    raise StoreUnavailableError(f"{self}/{key}: cut off at byte {position}")
            except StoreUnavailableError:
                cuts = 1 if position > begun else cuts + 1
                if cuts >= self._patience.attempts:
                    raise
                time.sleep(random.uniform(0, min(0.05 * 2**cuts, 20.0)))

    def _answer(self, key: str, start: int, end: int, etag: str) -> dict[str, Any]:
        same = {"IfMatch": etag} if etag else {}
        wanted = f"bytes={start}-{end - 1}"
        with self._translated(f"read {key}"):
            answer: dict[str, Any] = self._client().get_object(
                **self._object(key), Range=wanted, **same
            )
        whole = int(answer.get("ContentRange", f"/{end}").rpartition("/")[2])
        if whole < end:
            raise ValueError(f"{key} in {self} ends at byte {whole}, before {end}")
        return answer

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        """Turn boto3's errors into those of a Store.

        Those of boto3 are left out of tracebacks: they quote the endpoint with its password.
        """
        where = redacted(f"{self} at {os.environ.get('AWS_ENDPOINT_URL', 'AWS')}")
        try:
            yield
        except ClientError as error:
            raise self._told_by(error, doing, where) from None
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise UserError(
                f"no credentials for S3: {error}",
                where=where,
                todo="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
            ) from None
        except ParamValidationError:
            raise
        except (BotoCoreError, OSError) as error:
            raise StoreUnavailableError(f"cannot {doing}: {error} ({where})") from None

    def _told_by(self, error: ClientError, doing: str, where: str) -> Exception:
        code = error.response["Error"].get("Code", "")
        status = error.response["ResponseMetadata"].get("HTTPStatusCode", 500)
        if code in ABSENT:
            return FileNotFoundError(f"cannot {doing}: it is not in {where}")
        if code == "InvalidRange":
            return ValueError(f"cannot {doing}: it is shorter ({where})")
        if status >= 500 or status == 429 or status == 412 or code in PASSING:
            return StoreUnavailableError(f"cannot {doing}: {error} ({where})")
        if code == "NoSuchBucket":
            what, todo = "there is no such bucket", "make it, or mend the URL"
        elif status in (401, 403):
            what = "S3 rejects the credentials, or they may not do this"
            todo = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, the bucket's policy, the clock"
        else:
            what, todo = "S3 refuses", "check the URL, AWS_ENDPOINT_URL and AWS_DEFAULT_REGION"
        return UserError(f"cannot {doing}: {what} ({error})", where=where, todo=todo)
