"""Uploads that are cut, killed, changed on their way, or already there."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from flaky_server import Behaviour, worst
from parts import MIB, file_of

from dvdgan.errors import UserError
from dvdgan.storage import s3
from dvdgan.storage.multipart import sends
from dvdgan.storage.s3 import S3Store
from dvdgan.storage.store import StoreUnavailableError


def stopped_after_two_parts(source: Path, line: Behaviour, number: signal.Signals) -> None:
    """A process begins to send ``source`` in parts, and is sent a signal."""
    code = (
        # A test run in the background of a shell ignores SIGINT, and so would this process.
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from pathlib import Path; from dvdgan.storage.pace import Pace;"
        "from dvdgan.storage.s3 import S3Store, Patience;"
        # The first part goes at once, each later one waits for those before it.
        f"S3Store('runs', 'some/where', Pace({5 * MIB}), Patience(part_bytes={5 * MIB}))"
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


def test_a_killed_upload_goes_on_at_the_missing_parts(
    store: S3Store, line: Behaviour, tmp_path: Path
) -> None:
    source = file_of(tmp_path / "source", 22 * MIB)
    stopped_after_two_parts(source, line, signal.SIGKILL)
    before = sorted(line.parts)
    assert before[:2] == [1, 2] and len(before) < 5
    assert store.keys() == []
    line.parts.clear()
    store.put(source, "file")
    assert line.parts == [number for number in range(1, 6) if number not in before]
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
    assert line.parts == [1, 2, 3]
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
    store: S3Store, line: Behaviour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_part_only(*given: Any) -> Iterator[tuple[int, bytes]]:
        yield next(sends(*given))
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(s3, "sends", first_part_only)
    with pytest.raises(OSError, match="Input/output"):
        store.put(file_of(tmp_path / "source", 12 * MIB), "file")
    assert line.parts == [1]
    assert unfinished_uploads() == []


@pytest.mark.parametrize("harm", ["500", "403", "cut upload"])
def test_an_upload_that_the_server_refuses_leaves_no_parts(
    store: S3Store, line: Behaviour, tmp_path: Path, harm: str
) -> None:
    line.harm = lambda method, path: harm if "partNumber=2" in path else None
    with pytest.raises((StoreUnavailableError, UserError)):
        store.put(file_of(tmp_path / "source", 12 * MIB), "file")
    assert line.parts == [1]
    assert unfinished_uploads() == []


def test_an_upload_that_cannot_be_completed_leaves_no_parts(
    store: S3Store, line: Behaviour, tmp_path: Path
) -> None:
    line.harm = lambda method, path: "500" if method == "POST" and "uploadId=" in path else None
    with pytest.raises(StoreUnavailableError):
        store.put(file_of(tmp_path / "source", 12 * MIB), "file")
    assert unfinished_uploads() == []


def test_an_upload_that_is_interrupted_leaves_no_parts(
    store: S3Store, line: Behaviour, tmp_path: Path
) -> None:
    stopped_after_two_parts(file_of(tmp_path / "source", 42 * MIB), line, signal.SIGINT)
    assert unfinished_uploads() == []


def test_where_the_store_is_away_too_the_next_upload_goes_on(
    store: S3Store, line: Behaviour, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    source = file_of(tmp_path / "source", 12 * MIB)
    line.harm = lambda method, path: "500" if line.parts == [1] else None
    with pytest.raises(StoreUnavailableError):
        store.put(source, "file")
    assert "parts of some/where/file are left" in capsys.readouterr().err
    line.harm = lambda method, path: None
    store.put(source, "file")
    assert line.parts == [1, 2, 3]
    assert unfinished_uploads() == []
