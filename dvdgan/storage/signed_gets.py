"""Ranges of S3 objects, with a fraction of the work that boto3 does for each request.

boto3 signs a GET of an object once for many of its ranges: the header Range needs no signature.
botocore's session sends it: its connections, timeouts, TLS and proxies. Whatever is no plain
success is left to boto3, which asks again and knows each error.
"""

import io
import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import BotoCoreError, ClientError
from botocore.response import StreamingBody

# S3 takes a signature for 15 minutes, by its own clock.
SIGNED_SECONDS = 300.0
MOST_SIGNED = 4096
# Meanwhile a server in trouble gets only boto3's requests, which it repeats with pauses.
PAUSE_SECONDS = 5.0
PARTIAL_CONTENT = 206
# Of one attempt, not of one that was signed by it.
OF_ATTEMPT = "amz-sdk-"


class _Signed(NamedTuple):
    url: str
    headers: Mapping[str, Any]
    until: float


class SignedGets:
    """Reads ranges with the credentials and settings of ``client``, boto3's for S3.

    Safe to call from several threads; not after a fork.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        # The only way to what the client sends with: all of its settings, and its open connections.
        self._session = client._endpoint.http_session
        self._signed: dict[str, _Signed] = {}
        self._not_before = 0.0
        self._thread = threading.local()
        client.meta.events.register("before-send.s3.GetObject", self._instead_of_sending)

    def read(self, bucket: str, key: str, start: int, length: int) -> bytes | None:
        """``length`` bytes of an object from byte ``start`` on; None: ask boto3 for them.

        After a failure None for PAUSE_SECONDS, without a request.
        """
        if time.monotonic() < self._not_before:
            return None
        try:
            data = self._answer(self._signed_get(bucket, key), start, length)
        except (BotoCoreError, ClientError, OSError):  # boto3 meets it again, and reports it
            data = None
        if data is None:
            self._signed.pop(key, None)
            self._not_before = time.monotonic() + PAUSE_SECONDS
        return data

    def _answer(self, signed: _Signed, start: int, length: int) -> bytes | None:
        headers = {**signed.headers, "Range": f"bytes={start}-{start + length - 1}"}
        request = AWSPreparedRequest("GET", signed.url, headers, None, stream_output=True)
        answer = self._session.send(request)
        if answer.status_code != PARTIAL_CONTENT:
            answer.raw.close()  # it may be all of the object
            return None
        data: bytes = StreamingBody(answer.raw, length).read()  # raises if it is cut off
        return data

    def _signed_get(self, bucket: str, key: str) -> _Signed:
        signed = self._signed.get(key)
        if signed is None or time.monotonic() > signed.until:
            if len(self._signed) >= MOST_SIGNED:
                self._signed.clear()
            signed = self._signed[key] = self._sign(bucket, key)
        return signed

    def _sign(self, bucket: str, key: str) -> _Signed:
        until = time.monotonic() + SIGNED_SECONDS
        self._thread.signs = True
        try:
            self._client.get_object(Bucket=bucket, Key=key)
        finally:
            self._thread.signs = False
        request = self._thread.request
        headers = {
            name: value
            for name, value in request.headers.items()
            if not name.lower().startswith(OF_ATTEMPT)
        }
        return _Signed(request.url, headers, until)

    def _instead_of_sending(self, request: Any, **_: Any) -> AWSResponse | None:
        """What botocore calls before each GET: it takes an answer from here for the server's."""
        if not getattr(self._thread, "signs", False):
            return None
        self._thread.request = request
        return AWSResponse(request.url, 200, {}, io.BytesIO())
