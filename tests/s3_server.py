"""An S3 server on this machine, and an environment in which boto3 uses it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def s3_server(bucket: str) -> Iterator[str]:
    """Give the address of a server with an empty ``bucket``; the environment names it."""
    # A request that a killed client left would be logged after the test has ended.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": address}.items():
                patch.setenv(name, value)
            boto3.client("s3").create_bucket(Bucket=bucket)
            yield address
    finally:
        server.stop()


def upload(folder: Path, bucket: str, prefix: str) -> None:
    """Copy the files of ``folder`` below ``prefix``."""
    client = boto3.client("s3")
    for file in folder.iterdir():
        client.upload_file(str(file), bucket, f"{prefix}/{file.name}")
