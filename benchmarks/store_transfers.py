"""One file to and from S3: its parts one at a time, and concurrently as S3Store does by default.

    python benchmarks/store_transfers.py --megabytes 256

The server is moto, a process of its own on this machine, so that the times are those of the client
and of a server without any distance. Medians in seconds, and ratios, of one run.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError

from dvdgan.storage.s3 import S3Store
from dvdgan.storage.s3_client import RetryPolicy


def main() -> None:
    """Print a table of medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stderr=subprocess.DEVNULL,
    )
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        make_bucket()
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), arguments.megabytes, arguments.repeats)
    finally:
        server.kill()


def make_bucket() -> None:
    """Make the bucket as soon as the server answers."""
    for _ in range(100):
        try:
            boto3.client("s3").create_bucket(Bucket="benchmark")
            return
        except BotoCoreError:
            time.sleep(0.2)
    raise SystemExit("the S3 server does not answer")


def measure(folder: Path, megabytes: int, repeats: int) -> None:
    """Upload and download in turns."""
    source = folder / "source"
    stores = {1: S3Store("benchmark", policy=RetryPolicy(concurrency=1)), 8: S3Store("benchmark")}
    seconds: dict[tuple[str, int], list[float]] = {}
    for _ in range(repeats):
        source.write_bytes(os.urandom(megabytes << 20))
        for concurrency, store in stores.items():
            store.delete("file")
            took = timed(lambda store=store: store.put(source, "file"))
            seconds.setdefault(("put", concurrency), []).append(took)
            took = timed(lambda store=store: store.fetch("file", folder / "copy"))
            seconds.setdefault(("fetch", concurrency), []).append(took)
    for what in ("put", "fetch"):
        one, many = (statistics.median(seconds[what, concurrency]) for concurrency in stores)
        print(
            f"{what:5} {megabytes} MiB: {one:.2f} s one part at a time, {many:.2f} s concurrently, "
            f"{one / many:.2f} times as fast"
        )


def timed(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
