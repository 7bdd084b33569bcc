"""S3 over a line that fails, hangs and cuts, and what is told to whom."""

import hashlib
import pickle
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from flaky_server import Behaviour, worst
from parts import MIB, QUICK, file_of

from dvdgan.errors import UserError
from dvdgan.storage.open_store import open_store
from dvdgan.storage.rate_limiter import RateLimiter
from dvdgan.storage.s3 import S3Store
from dvdgan.storage.store import StoreUnavailableError


@pytest.mark.parametrize("size", [0, 1000, 12 * MIB])
def test_what_is_put_is_fetched(store: S3Store, tmp_path: Path, size: int) -> None:
    source = file_of(tmp_path / "source", size)
    store.put(source, "deep/file")
    assert store.size("deep/file") == size
    store.fetch("deep/file", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    assert store.read_bytes("deep/file") == source.read_bytes()
    store.write_bytes("b", b"small")
    assert store.keys() == ["b", "deep/file"]
    assert store.keys("deep/") == ["deep/file"]
    store.delete("deep/file")
    store.delete("deep/file")
    assert store.keys() == ["b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "source"]


def test_ranges_and_what_is_not_there(store: S3Store, tmp_path: Path) -> None:
    store.write_bytes("digits", b"0123456789")
    assert store.read("digits", 3, 4) == b"3456"
    assert store.read("digits", 10, 0) == b""
    for start, length in ((8, 3), (11, 1), (0, 11)):
        with pytest.raises(ValueError, match=r"ends at byte 10|shorter"):
            store.read("digits", start, length)
    for ask in (store.size, store.read_bytes, lambda key: store.read(key, 0, 1)):
        with pytest.raises(FileNotFoundError, match="missing"):
            ask("missing")
    with pytest.raises(FileNotFoundError):
        store.fetch("missing", tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["", "/a", "a/../b", "..", "a//b", "a/"])
def test_a_key_cannot_lead_out_of_the_store(store: S3Store, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        store.write_bytes(key, b"")


def test_a_server_that_fails_at_times_is_asked_again(
    store: S3Store, line: Behaviour, tmp_path: Path
) -> None:
    source = file_of(tmp_path / "source", 1000)
    line.harm = worst("500 InternalError", "PUT", 2)
    store.put(source, "file")
    line.harm = worst("500 InternalError", "GET", 2)
    store.fetch("file", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("harm", ["500 InternalError", "hang", "cut download"])
def test_a_server_that_never_answers_well_is_unavailable_in_time(
    store: S3Store, line: Behaviour, tmp_path: Path, harm: str
) -> None:
    store.write_bytes("file", b"x")  # half of it is nothing
    line.harm = worst(harm, "GET")
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError):
        store.fetch("file", tmp_path / "copy")
    assert time.monotonic() - began < 30
    assert 2 <= line.requests["GET"] <= 9
    assert list(tmp_path.iterdir()) == []


def test_nobody_at_the_address(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1"):
            S3Store("runs", policy=replace(QUICK, attempts=2)).keys()


def test_a_download_cut_in_mid_body_is_requested_again(
    store: S3Store, line: Behaviour, tmp_path: Path
) -> None:
    source = file_of(tmp_path / "source", 6 * MIB)
    store.put(source, "file")
    line.harm = worst("cut download", "GET", 2)
    store.fetch("file", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    line.harm = worst("cut download", "GET", 2)
    assert store.read("file", 5, 100) == source.read_bytes()[5:105]


def test_capitals_in_the_names_of_metadata_change_nothing(
    store: S3Store, line: Behaviour, tmp_path: Path
) -> None:
    source = file_of(tmp_path / "source", 1000)
    line.capitals = True
    store.put(source, "file")
    assert store.sha256("file") == hashlib.sha256(source.read_bytes()).hexdigest()
    store.fetch("file", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()


def test_bytes_changed_on_the_way_down_are_found(
    store: S3Store, line: Behaviour, tmp_path: Path
) -> None:
    for size in (1000, 12 * MIB):
        source = file_of(tmp_path / "source", size)
        store.put(source, "file")
        line.harm = worst("flip download", "GET")
        with pytest.raises((ValueError, StoreUnavailableError), match=r"sha256|checksum"):
            store.fetch("file", tmp_path / "copy")
        line.harm = worst("flip download", "GET", 1)
        assert not (tmp_path / "copy").exists()
    store.put(file_of(tmp_path / "small", 1000), "small")
    line.harm = worst("flip download", "GET", 1)
    assert store.read_bytes("small") == (tmp_path / "small").read_bytes()


def test_slow_bodies_are_waited_for(store: S3Store, line: Behaviour, tmp_path: Path) -> None:
    source = file_of(tmp_path / "source", 6 * MIB)
    store.put(source, "file")
    line.harm = worst("slow download", "GET", 2)
    store.fetch("file", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    line.harm = worst("slow download", "GET", 1)
    assert store.read("file", 5, 100) == source.read_bytes()[5:105]


def test_an_object_that_changes_between_two_parts_is_not_mixed(
    store: S3Store, server: str, line: Behaviour, tmp_path: Path
) -> None:
    store.put(file_of(tmp_path / "source", 12 * MIB), "file")
    other = file_of(tmp_path / "other", 12 * MIB + 1).read_bytes()
    beside = boto3.client("s3", endpoint_url=server)  # not by the proxy
    reads, turn = [], threading.Lock()

    def change(method: str, path: str) -> str | None:
        """The second part, and whatever is read later, is read when the object has changed."""
        if method == "GET":
            with turn:
                reads.append(path)
                if len(reads) == 2:
                    beside.put_object(Bucket="runs", Key="some/where/file", Body=other)
        return None

    line.harm = change
    # ValueError of a server that has no conditional GET: the sha256 differs.
    with pytest.raises((StoreUnavailableError, ValueError)):
        store.fetch("file", tmp_path / "copy")
    assert len(reads) >= 2
    assert not (tmp_path / "copy").exists()


def test_an_object_changed_in_the_store_is_found(store: S3Store, tmp_path: Path) -> None:
    source = file_of(tmp_path / "source", 1000)
    store.put(source, "file")
    client, key = boto3.client("s3"), "some/where/file"
    told = client.head_object(Bucket="runs", Key=key)["Metadata"]
    client.put_object(Bucket="runs", Key=key, Body=b"\0" * 1000, Metadata=told)
    with pytest.raises(ValueError, match="sha256"):
        store.fetch("file", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    store.put(source, "file")  # and is replaced
    assert store.read_bytes("file") == source.read_bytes()


def test_rejected_credentials_are_the_users_to_mend(store: S3Store, line: Behaviour) -> None:
    line.harm = worst("403 InvalidAccessKeyId", "GET")
    with pytest.raises(UserError, match="rejects the credentials") as raised:
        store.keys()
    assert "AWS_ACCESS_KEY_ID" in raised.value.todo
    assert "s3://runs/some/where at http://127.0.0.1" in raised.value.where
    assert line.requests["GET"] == 1


def test_no_credentials_and_no_bucket_are_named(
    line: Behaviour, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="the bucket does not exist") as raised:
        S3Store("nowhere", policy=QUICK).keys()
    assert "s3://nowhere" in raised.value.where
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UserError, match="no credentials"):
        S3Store("runs", policy=QUICK).keys()


def test_an_endpoint_that_is_none_is_named(line: Behaviour, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    with pytest.raises(UserError, match="nonsense"):
        S3Store("runs").keys()


def test_a_store_travels_to_other_processes(store: S3Store) -> None:
    store.write_bytes("file", b"here")
    travelled = pickle.loads(pickle.dumps(store))
    assert travelled._clients == {}
    assert travelled.read_bytes("file") == b"here"
    assert str(travelled) == "s3://runs/some/where"


def test_files_and_small_objects_keep_to_the_bandwidth(line: Behaviour, tmp_path: Path) -> None:
    slept: list[float] = []
    store = S3Store("runs", "", RateLimiter(4 * MIB, lambda: 0.0, slept.append), QUICK)
    source = file_of(tmp_path / "source", 12 * MIB)
    for transfer in (store.put, lambda path, key: store.fetch(key, path)):
        began = time.monotonic()
        transfer(source, "file")
        assert time.monotonic() - began > 2  # 3 s by arithmetic; a burst begins it
    store.write_bytes("small", b"x" * MIB)
    assert store.read_bytes("small") == b"x" * MIB
    assert slept == [0.25]  # the first one goes at once
    assert open_store("s3://runs", 7.0)._limiter.bytes_per_second == 7.0
