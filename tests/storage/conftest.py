"""An S3 server on this machine, and a way to it that can be made worse."""

from collections.abc import Iterator

import boto3
import pytest
from flaky_server import Behaviour, flaky
from moto.server import ThreadedMotoServer
from parts import QUICK

from dvdgan.storage.s3 import S3Store

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture
def line(server: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Behaviour]:
    """The way to the server, to be made worse; the bucket is empty."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    direct = f"http://{server[0]}:{server[1]}"
    s3 = boto3.resource("s3", endpoint_url=direct)
    bucket = s3.create_bucket(Bucket="runs")
    bucket.objects.all().delete()
    for upload in bucket.multipart_uploads.all():
        upload.abort()
    with flaky(*server) as (address, told):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        yield told


@pytest.fixture
def store(line: Behaviour) -> S3Store:
    return S3Store("runs", "some/where", patience=QUICK)
