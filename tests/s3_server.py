"""An S3 server, and an environment in which boto3 uses it.

It is moto's, on this machine; DVDGAN_TEST_S3 names another one, which holds no bucket of the tests'
names (CONTRIBUTING.md).
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.loaders import JSONFileLoader
from moto.server import ThreadedMotoServer

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


LOAD_FILE = JSONFileLoader.load_file


@cache
def loaded(path: str) -> Any:
    """A file of botocore's models, parsed once: each session takes a tenth of a second for S3's."""
    return LOAD_FILE(JSONFileLoader(), path)


@contextmanager
def s3_server(bucket: str, host: str = "127.0.0.1") -> Iterator[str]:
    """Give the address of a server with an empty ``bucket``; the environment names it.

    moto's listens at the address ``host`` of this machine.
    """
    other = os.environ.get("DVDGAN_TEST_S3")
    with (
        pytest.MonkeyPatch.context() as patch,
        nullcontext(other) if other else moto(host) as address,
    ):
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, (other and os.environ.get(name)) or value)
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: loaded(path))
        patch.setenv("AWS_ENDPOINT_URL", address)
        boto3.client("s3").create_bucket(Bucket=bucket)
        yield address
        if other:
            for each in boto3.resource("s3").Bucket(bucket).objects.all():
                each.delete()
            boto3.client("s3").delete_bucket(Bucket=bucket)


@contextmanager
def moto(host: str = "127.0.0.1") -> Iterator[str]:
    """Give the address of a server of moto's."""
    # A request that a killed client left would be logged after the test has ended.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address=host, port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def upload(folder: Path, bucket: str, prefix: str) -> None:
    """Copy the files of ``folder`` below ``prefix``."""
    client = boto3.client("s3")
    for file in folder.iterdir():
        client.upload_file(str(file), bucket, f"{prefix}/{file.name}")
