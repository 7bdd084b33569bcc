"""An S3 server on this machine, and a way to it that can be made worse."""

import contextlib
from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError
from flaky_server import Behaviour, flaky
from parts import QUICK
from s3_server import s3_server

from dvdgan.storage.s3 import S3Store


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server("runs") as address:
        yield address


@pytest.fixture
def line(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Behaviour]:
    """The way to the server, to be made worse; the bucket is empty."""
    bucket = boto3.resource("s3", endpoint_url=server).Bucket("runs")
    for each in bucket.objects.all():  # one by one, which every server can do
        each.delete()
    with contextlib.suppress(ClientError):  # some servers cannot list them
        for upload in bucket.multipart_uploads.all():
            upload.abort()
    with flaky(server) as (address, told):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        yield told


@pytest.fixture
def store(line: Behaviour) -> S3Store:
    return S3Store("runs", "some/where", policy=QUICK)
