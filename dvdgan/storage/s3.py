"""S3, and whatever speaks it.

boto3's transfer manager moves files, in concurrent parts; botocore retries requests ("adaptive",
with jitter). signed_gets.py reads ranges, as long as all goes well. Every wait ends, so that a
server that hangs is a server that fails. Ours are the digests: an upload is compared with its file,
a download with the sha256 it was uploaded with.
"""

import base64
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.exceptions import RetriesExceededError, S3DownloadFailedError
from s3transfer.manager import TransferManager

from dvdgan.storage import s3_errors
from dvdgan.storage.daemon_executor import DaemonExecutor
from dvdgan.storage.digests import Digests, digests_of
from dvdgan.storage.local import atomic_file, sha256_of_file
from dvdgan.storage.range_reader import BLOCK_BYTES, RangeReader, buffered
from dvdgan.storage.rate_limiter import RateLimiter
from dvdgan.storage.s3_client import Contact, RetryPolicy, make_client, retried
from dvdgan.storage.signed_gets import SignedGets
from dvdgan.storage.store import StoreEntry, StoreUnavailableError, checked, is_key

MOST_PARTS = 10_000
# Answers to a listing of unfinished uploads: not allowed, not possible, and some servers' "none".
UNLISTED = ("AccessDenied", "NotImplemented", "NoSuchUpload")
TRANSFER_FAILED = (
    *(BotoCoreError, RetriesExceededError, S3DownloadFailedError),
    *(ConnectionError, TimeoutError),
)
# A process makes its client once, whichever of its threads comes first.
_CLIENT_LOCK = threading.Lock()


class S3Store:
    """The objects of ``bucket`` below ``prefix``. See Store for what each method does."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        limiter: RateLimiter | None = None,
        policy: RetryPolicy | None = None,
    ) -> None:
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self._limiter = limiter or RateLimiter()
        self._policy = policy or RetryPolicy()
        self._contact = Contact()
        self._clients: dict[int, Any] = {}
        self._signed_gets: dict[int, SignedGets] = {}

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def __getstate__(self) -> dict[str, Any]:
        """For a worker process, which makes a client of its own."""
        return self.__dict__ | {"_clients": {}, "_signed_gets": {}}

    def put(self, source: Path, key: str) -> None:
        part_bytes = max(self._policy.part_bytes, -(-source.stat().st_size // MOST_PARTS))
        digests = digests_of(source, part_bytes)
        if self._holds(key, digests):
            return
        if digests.size <= part_bytes:
            self._put(key, source.read_bytes())
        else:
            self._put_parts(source, key, digests, part_bytes)
        if not self._holds(key, digests):
            self.delete(key)
            raise StoreUnavailableError(f"{self}/{key} arrived damaged and was removed")

    def fetch(self, key: str, target: Path) -> None:
        head = self._head(key)
        expected = _sha256_in(head)
        with atomic_file(target) as aside:
            if head["ContentLength"] <= self._policy.part_bytes:
                aside.write_bytes(self.read_bytes(key))
            else:
                self._fetch_parts(key, aside)
            if expected is not None and sha256_of_file(aside) != expected:
                raise ValueError(f"{self}/{key} does not have the sha256 it was uploaded with")

    def read(self, key: str, start: int, length: int, etag: str | None = None) -> bytes:
        """See Store. ``etag``: of the object as it has to be still."""
        if not length:
            return b""
        if etag is None and (quick := self._read_signed(key, start, length)) is not None:
            return quick
        same = {} if etag is None else {"IfMatch": etag}
        data, _ = self._answer(key, Range=f"bytes={start}-{start + length - 1}", **same)
        if len(data) < length:
            raise ValueError(f"{key} in {self} ends at byte {start + len(data)}")
        return data

    def read_bytes(self, key: str) -> bytes:
        for _ in range(2):  # what was changed on its way is requested once more
            data, answer = self._answer(key)
            if _sha256_in(answer) in (None, hashlib.sha256(data).hexdigest()):
                return data
        raise ValueError(f"{self}/{key} does not have the sha256 it was uploaded with")

    def write_bytes(self, key: str, data: bytes) -> None:
        self._put(key, data)

    def size(self, key: str) -> int:
        length: int = self._head(key)["ContentLength"]
        return length

    def sha256(self, key: str) -> str | None:
        return _sha256_in(self._head(key))

    def open(self, key: str) -> BinaryIO:
        try:
            first, answer = self._answer(key, Range=f"bytes=0-{BLOCK_BYTES - 1}")
        except ValueError:  # not even a first byte
            first, answer = self._answer(key)
        size = int(answer.get("ContentRange", f"/{len(first)}").rpartition("/")[2])

        def fetch(start: int, length: int) -> bytes:
            return self.read(key, start, length, answer["ETag"])

        return buffered(RangeReader(f"{self}/{key}", size, fetch, first))

    def keys(self, prefix: str = "") -> list[str]:
        return [entry.key for entry in self.entries(prefix)]

    def entries(self, prefix: str = "") -> list[StoreEntry]:
        found: list[StoreEntry] = []
        with self._translated(f"list the keys below '{prefix}'" if prefix else "list the keys"):
            pages = self._client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix + prefix):
                for listed in page.get("Contents", []):
                    key = listed["Key"].removeprefix(self.prefix)
                    found.append(StoreEntry(key, listed["Size"], listed["ETag"].strip('"')))
        # An object named like the prefix itself is what consoles make of a folder.
        return sorted((entry for entry in found if entry.key), key=lambda entry: entry.key)

    def any_entry(self) -> StoreEntry | None:
        with self._translated("list the keys"):
            page = self._client().list_objects_v2(
                Bucket=self.bucket, Prefix=self.prefix, MaxKeys=100
            )
        for listed in page.get("Contents", []):
            key = listed["Key"].removeprefix(self.prefix)
            if is_key(key):
                return StoreEntry(key, listed["Size"], listed["ETag"].strip('"'))
        return None

    def delete(self, key: str) -> None:
        with self._translated(f"delete {key}"):
            self._client().delete_object(**self._object(key))

    def server_time(self) -> float | None:
        """The server's clock, in whole seconds since 1970, from any answer, also a refusal.

        None if answers have no date. Raises StoreUnavailableError, or UserError if no request can
        be made.
        """
        try:
            answer = self._client().head_bucket(Bucket=self.bucket)
        except ClientError as error:
            answer = error.response
        except TRANSFER_FAILED as error:
            raise s3_errors.of_silence(error, "read the clock", self._where()) from None
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        return None if date is None else parsedate_to_datetime(date).timestamp()

    def _object(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.prefix + checked(key)}

    def _client(self) -> Any:
        """This process's client: connections do not survive a fork."""
        process = os.getpid()
        with _CLIENT_LOCK:
            if process not in self._clients:
                self._clients[process] = make_client(self._policy, self._contact)
                self._signed_gets[process] = SignedGets(self._clients[process])
        return self._clients[process]

    def _put(self, key: str, data: bytes) -> None:
        self._limiter.take(len(data))
        digest = hashlib.sha256(data)
        with self._translated(f"write {key}"):
            self._client().put_object(
                **self._object(key),
                Body=data,
                ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
                Metadata={"sha256": digest.hexdigest()},
            )

    def _put_parts(self, source: Path, key: str, digests: Digests, part_bytes: int) -> None:
        extra = {"Metadata": {"sha256": digests.sha256}, "ChecksumAlgorithm": "SHA256"}
        with self._translated(f"write {key}"):
            self._abort_unfinished(key)
            with self._transfers(part_bytes) as manager:
                manager.upload(str(source), **_lower(self._object(key)), extra_args=extra).result()

    def _fetch_parts(self, key: str, target: Path) -> None:
        with (
            self._translated(f"read {key}"),
            self._transfers(self._policy.part_bytes) as manager,
        ):
            manager.download(**_lower(self._object(key)), fileobj=str(target)).result()

    def _transfers(self, part_bytes: int) -> Any:
        """For files of several parts, in a `with` block: leaving it ends its threads."""
        config = TransferConfig(
            multipart_threshold=part_bytes + 1,
            multipart_chunksize=part_bytes,
            max_concurrency=self._policy.concurrency,
            num_download_attempts=self._policy.attempts,
            max_bandwidth=self._limiter.bytes_per_second,
        )
        return TransferManager(self._client(), config, executor_cls=DaemonExecutor)

    def _head(self, key: str) -> dict[str, Any]:
        with self._translated(f"look at {key}"):
            head: dict[str, Any] = self._client().head_object(
                **self._object(key), ChecksumMode="ENABLED"
            )
        return head

    def _holds(self, key: str, digests: Digests) -> bool:
        """Whether the object at ``key`` is this very file."""
        try:
            head = self._head(key)
        except FileNotFoundError:
            return False
        uploaded = head["ContentLength"], _sha256_in(head)
        if uploaded != (digests.size, digests.sha256):
            return False
        checksum: str | None = head.get("ChecksumSHA256")
        if checksum is not None and checksum.partition("-")[0] != digests.checksum:
            return False
        if head.get("ServerSideEncryption", "AES256") != "AES256":
            return True  # the ETag is not an md5; the server compared each part with its checksum
        return head["ETag"].strip('"').partition("-")[0] in digests.etags

    def _abort_unfinished(self, key: str) -> None:
        """Remove the parts that a killed upload of ``key`` left, which are paid for.

        They stay where the server cannot list them, or we may not.
        """
        client, this = self._client(), self._object(key)
        pages = client.get_paginator("list_multipart_uploads")
        try:
            listed = list(pages.paginate(Bucket=this["Bucket"], Prefix=this["Key"]))
        except ClientError as error:
            if s3_errors.code_of(error) not in UNLISTED:
                raise
            return
        for upload in (each for page in listed for each in page.get("Uploads", [])):
            if upload["Key"] == this["Key"]:
                client.abort_multipart_upload(**this, UploadId=upload["UploadId"])

    def _answer(self, key: str, **arguments: str) -> tuple[bytes, dict[str, Any]]:
        """The body of one answer and what else it says, requested again where it is cut off."""

        # Some servers answer a range with the checksum of the whole object.
        if "Range" not in arguments:
            arguments["ChecksumMode"] = "ENABLED"

        def get() -> tuple[bytes, dict[str, Any]]:
            with self._translated(f"read {key}"):
                answer = self._client().get_object(**self._object(key), **arguments)
                return answer["Body"].read(), answer

        data, answer = retried(get, self._policy.attempts, lambda: self._contact.made)
        self._limiter.take(len(data))
        return data, answer

    def _read_signed(self, key: str, start: int, length: int) -> bytes | None:
        """As SignedGets; from a server that has answered, since others get FIRST_ATTEMPTS."""
        gets = self._signed_gets.get(os.getpid())
        if gets is None or not self._contact.made:
            return None
        data = gets.read(self.bucket, self.prefix + checked(key), start, length)
        if data is not None:
            self._limiter.take(len(data))
        return data

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        """Raise boto3's errors as those of a Store.

        Those of boto3 are left out of tracebacks: they quote the endpoint with its password.
        """
        try:
            yield
        except ClientError as error:
            raise s3_errors.of_answer(self._with_words(error), doing, self._where()) from None
        except TRANSFER_FAILED as error:
            raise s3_errors.of_silence(error, doing, self._where()) from None

    def _with_words(self, error: ClientError) -> ClientError:
        """``error``, or what a listing is refused for where ``error`` does not say why.

        An answer to HEAD has no body: a bucket that is not there looks like an object that is not.
        """
        if not s3_errors.has_no_words(error):
            return error
        try:
            self._client().list_objects_v2(Bucket=self.bucket, Prefix=self.prefix, MaxKeys=1)
        except ClientError as refusal:
            # Whoever may not list may read, and learn from HEAD what is there.
            return error if s3_errors.code_of(refusal) == "AccessDenied" else refusal
        except TRANSFER_FAILED:
            return error
        return error

    def _where(self) -> str:
        client = self._clients.get(os.getpid())
        return f"{self} at {client.meta.endpoint_url}" if client else str(self)


def _sha256_in(head: dict[str, Any]) -> str | None:
    """What `put` has noted; some servers write the names of metadata with capitals."""
    noted = {name.lower(): value for name, value in head.get("Metadata", {}).items()}
    return noted.get("sha256")


def _lower(place: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in place.items()}
