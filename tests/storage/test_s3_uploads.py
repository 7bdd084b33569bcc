"""Uploads that are cut, killed, changed on their way, or already there."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from flaky_server import Behaviour, worst
from parts import MIB, file_of
from s3transfer.utils import ReadFileChunk

from dvdgan.errors import UserError
from dvdgan.storage.s3 import S3Store
from dvdgan.storage.store import StoreUnavailableError


def stopped_after_two_parts(source: Path, line: Behaviour, number: signal.Signals) -> None:
    """A process begins to send ``source`` in parts, and is sent a signal."""
    code = (
        # A test run in the background of a shell ignores SIGINT, and so would this process.
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from pathlib import Path; from dvdgan.storage.rate_limiter import RateLimiter;"
        "from dvdgan.storage.s3 import S3Store;from dvdgan.storage.s3_client import RetryPolicy;"
        f"S3Store('runs', 'some/where', RateLimiter({5 * MIB}), RetryPolicy(part_bytes={5 * MIB}))"
        ".put(Path(sys.argv[1]), 'file')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(source)], env=os.environ, stderr=subprocess.DEVNULL
    )
    while len(line.parts) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(30) != 0


def unfinished_uploads() -> list[str]:
    listed = boto3.client("s3").list_multipart_uploads(Bucket="runs")
    return [upload["Key"] for upload in listed.get("Uploads", [])]


def test_bytes_already_there_are_not_sent_again(
    store: S3Store, line: Behaviour, tmp_path: Path
) -> None:
    source = file_of(tmp_path / "source", 12 * MIB)
    store.put(source, "file")
    sent = line.sent_bytes
    store.put(source, "file")
    assert line.sent_bytes == sent
    store.put(file_of(tmp_path / "other", 12 * MIB + 1), "file")
    assert store.size("file") == 12 * MIB + 1


@pytest.mark.parametrize("size", [1000, 12 * MIB])
def test_an_upload_cut_in_mid_body_is_sent_again(
    store: S3Store, line: Behaviour, tmp_path: Path, size: int
) -> None:
    source = file_of(tmp_path / "source", size)
    line.harm = worst("cut upload", "PUT", 2)
    store.put(source, "file")
    assert store.read_bytes("file") == source.read_bytes()


@pytest.mark.parametrize("size", [1000, 12 * MIB])
def test_bytes_changed_on_the_way_up_are_found(
    store: S3Store, line: Behaviour, tmp_path: Path, size: int
) -> None:
    line.harm = worst("flip", "PUT", 1)
    with pytest.raises(StoreUnavailableError, match="damaged"):
        store.put(file_of(tmp_path / "source", size), "file")
    assert store.keys() == []


def test_a_killed_upload_is_made_again_and_its_parts_are_removed(
    store: S3Store, line: Behaviour, tmp_path: Path
) -> None:
    source = file_of(tmp_path / "source", 42 * MIB)
    stopped_after_two_parts(source, line, signal.SIGKILL)
    assert store.keys() == []
    assert unfinished_uploads() == ["some/where/file"]
    store.put(source, "file")
    assert unfinished_uploads() == []
    assert store.read_bytes("file") == source.read_bytes()


@pytest.mark.parametrize("harm", ["501 NotImplemented", "403 AccessDenied", "404 NoSuchUpload"])
def test_a_server_that_does_not_list_unfinished_uploads(
    store: S3Store, line: Behaviour, tmp_path: Path, harm: str
) -> None:
    line.harm = lambda method, path: harm if method == "GET" and "uploads" in path else None
    source = file_of(tmp_path / "source", 12 * MIB)
    store.put(source, "file")
    line.harm = lambda method, path: None
    assert store.read_bytes("file") == source.read_bytes()


def test_a_stale_upload_of_other_bytes_is_aborted(
    store: S3Store, line: Behaviour, tmp_path: Path
) -> None:
    client = boto3.client("s3")
    place = {"Bucket": "runs", "Key": "some/where/file"}
    stale = client.create_multipart_upload(**place)["UploadId"]
    client.upload_part(**place, UploadId=stale, PartNumber=1, Body=b"other" * MIB)
    beside = {"Bucket": "runs", "Key": "some/where/file2"}
    client.create_multipart_upload(**beside)
    line.parts.clear()
    store.put(file_of(tmp_path / "source", 12 * MIB), "file")
    assert sorted(line.parts) == [1, 2, 3]
    left = client.list_multipart_uploads(Bucket="runs")["Uploads"]
    assert [upload["Key"] for upload in left] == [beside["Key"]]


def test_an_upload_whose_file_is_deleted_leaves_no_parts(
    store: S3Store, line: Behaviour, tmp_path: Path
) -> None:
    source = file_of(tmp_path / "source", 12 * MIB)

    def prune(method: str, path: str) -> None:
        if method == "POST":  # the upload begins
            source.unlink()

    line.harm = prune
    with pytest.raises(FileNotFoundError):
        store.put(source, "file")
    assert unfinished_uploads() == []


def test_an_upload_whose_file_cannot_be_read_leaves_no_parts(
    store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: Any) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    source = file_of(tmp_path / "source", 12 * MIB)
    monkeypatch.setattr(ReadFileChunk, "read", unreadable)
    with pytest.raises(OSError, match="Input/output"):
        store.put(source, "file")
    assert unfinished_uploads() == []


@pytest.mark.parametrize("harm", ["500 InternalError", "403 InvalidAccessKeyId", "cut upload"])
def test_an_upload_that_the_server_refuses_leaves_no_parts(
    store: S3Store, line: Behaviour, tmp_path: Path, harm: str
) -> None:
    line.harm = lambda method, path: harm if "partNumber=2" in path else None
    with pytest.raises((StoreUnavailableError, UserError)):
        store.put(file_of(tmp_path / "source", 12 * MIB), "file")
    assert 2 not in line.parts
    assert unfinished_uploads() == []


def test_an_upload_that_cannot_be_completed_leaves_no_parts(
    store: S3Store, line: Behaviour, tmp_path: Path
) -> None:
    line.harm = lambda method, path: (
        "500 InternalError" if method == "POST" and "uploadId=" in path else None
    )
    with pytest.raises(StoreUnavailableError):
        store.put(file_of(tmp_path / "source", 12 * MIB), "file")
    assert unfinished_uploads() == []


def test_an_upload_that_is_interrupted_leaves_no_parts(
    store: S3Store, line: Behaviour, tmp_path: Path
) -> None:
    stopped_after_two_parts(file_of(tmp_path / "source", 42 * MIB), line, signal.SIGINT)
    assert unfinished_uploads() == []


def test_parts_left_when_the_store_went_away_are_removed_by_the_next_upload(
    store: S3Store, line: Behaviour, tmp_path: Path
) -> None:
    source = file_of(tmp_path / "source", 12 * MIB)
    line.harm = lambda method, path: "500 InternalError" if line.parts else None
    with pytest.raises(StoreUnavailableError):
        store.put(source, "file")
    line.harm = lambda method, path: None
    assert unfinished_uploads() == ["some/where/file"]
    store.put(source, "file")
    assert unfinished_uploads() == []
    assert store.read_bytes("file") == source.read_bytes()


def test_a_process_that_ends_does_not_wait_for_an_upload(
    store: S3Store, line: Behaviour, tmp_path: Path
) -> None:
    line.harm = lambda method, path: "hang" if "partNumber" in path else None
    code = (
        "import sys, threading; from pathlib import Path;"
        "from dvdgan.storage.s3 import S3Store;from dvdgan.storage.s3_client import RetryPolicy;"
        f"store = S3Store('runs', 'some/where', policy=RetryPolicy(part_bytes={5 * MIB}));"
        "given = Path(sys.argv[1]), 'file';"
        "threading.Thread(target=store.put, args=given, daemon=True).start();"
        "sys.stdin.readline()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(file_of(tmp_path / "source", 22 * MIB))],
        stdin=subprocess.PIPE,
        env=os.environ,
    )
    while line.requests["PUT"] < 4:
        assert process.poll() is None
        time.sleep(0.01)
    process.communicate(b"\n", timeout=2)  # each part hangs for 3 s, and is tried again
