"""Listings with sizes, and files of a store read like files on a disk."""

import io
import os
import random
from pathlib import Path

import boto3
import pytest
from flaky_server import Behaviour, worst
from parts import MIB, file_of

from dvdgan.storage.folder import FolderStore
from dvdgan.storage.range_reader import BLOCK_BYTES, KEPT_BLOCKS
from dvdgan.storage.s3 import S3Store
from dvdgan.storage.store import Store, StoreEntry, StoreUnavailableError


@pytest.fixture(params=["folder", "s3"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each kind of store."""
    if request.param == "folder":
        return FolderStore(tmp_path / "store")
    store: Store = request.getfixturevalue("store")
    return store


def test_entries_are_keys_with_sizes(either: Store) -> None:
    assert either.entries() == []
    for key, data in (("b", b"12345"), ("a/ü x", b"1"), ("a-", b"")):
        either.write_bytes(key, data)
    assert [(entry.key, entry.size) for entry in either.entries()] == [
        ("a-", 0),
        ("a/ü x", 1),
        ("b", 5),
    ]
    assert [entry.key for entry in either.entries("a/")] == either.keys("a/") == ["a/ü x"]


def test_an_entry_changes_with_its_file(either: Store) -> None:
    either.write_bytes("file", b"12345")
    (before,) = either.entries()
    assert either.entries() == [before]
    either.write_bytes("file", b"54321")
    assert either.entries() != [before]


def test_entries_of_a_folder_are_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"123")
    os.utime(tmp_path / "file", ns=(5, 7))
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert FolderStore(tmp_path).entries() == [StoreEntry("file", 3, mtime_ns=7)]


def test_a_listing_of_s3_takes_a_request_for_each_page(
    store: S3Store, line: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "7")  # S3 has 1,000
    client = boto3.client("s3")
    for number in range(14):
        client.put_object(Bucket="runs", Key=f"some/where/{number:04}", Body=b"x")
    line.requests.clear()
    entries = store.entries()
    assert line.requests["GET"] in ((1,) if "DVDGAN_TEST_S3" in os.environ else (2,))
    assert [entry.key for entry in entries] == [f"{n:04}" for n in range(14)]
    assert entries[0] == StoreEntry("0000", 1, "9dd4e461268c8034f5c8564e155c67a6")  # md5 of x


@pytest.mark.skipif("DVDGAN_TEST_S3" in os.environ, reason="not every server holds such names")
def test_names_that_are_no_keys_are_listed_and_not_opened(store: S3Store) -> None:
    client = boto3.client("s3")
    for name in ("", "../out", "a//b", "a/"):
        client.put_object(Bucket="runs", Key=f"some/where/{name}", Body=b"")
    assert store.keys() == ["../out", "a/", "a//b"]
    for key in ("../out", "a/", "a//b"):
        with pytest.raises(ValueError, match="not a key"):
            store.open(key)


@pytest.mark.parametrize("size", [0, 1000, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 5])
def test_an_open_file_reads_like_one_on_disk(either: Store, tmp_path: Path, size: int) -> None:
    source = file_of(tmp_path / "source", size)
    either.put(source, "deep/file")
    rng = random.Random(0)
    with either.open("deep/file") as opened, source.open("rb") as local:
        assert opened.name == f"{either}/deep/file"
        assert opened.seekable() and opened.readable() and not opened.writable()
        for _ in range(40):
            offset = rng.randint(0, size + 10)
            whence = rng.choice([io.SEEK_SET, io.SEEK_END])
            move = offset if whence == io.SEEK_SET else -min(offset, size)
            assert opened.seek(move, whence) == local.seek(move, whence)
            count = rng.choice([0, 1, 100, 70_000, BLOCK_BYTES])
            assert opened.read(count) == local.read(count)
            assert opened.tell() == local.tell()
        opened.seek(0)
        assert opened.read() == source.read_bytes()
        with pytest.raises((ValueError, OSError)):
            opened.seek(-1)


def test_what_is_not_there_is_not_opened(either: Store) -> None:
    either.write_bytes("there", b"x")
    with pytest.raises(FileNotFoundError):
        either.open("missing")
    with pytest.raises(ValueError, match="not a key"):
        either.open("../there")


def test_few_requests_and_bounded_memory(store: S3Store, line: Behaviour, tmp_path: Path) -> None:
    count = KEPT_BLOCKS + 2
    source = file_of(tmp_path / "source", count * BLOCK_BYTES)
    store.put(file_of(tmp_path / "small", 3 * MIB), "small")
    store.put(source, "large")
    line.requests.clear()
    with store.open("small") as opened:
        opened.seek(-10, io.SEEK_END)
        opened.read()
        opened.seek(0)
        assert len(opened.read()) == 3 * MIB
    assert line.requests == {"GET": 1}
    with store.open("large") as opened:
        for _ in range(2):  # the beginning and the end by turns, as of an mp4
            for offset in (0, count * BLOCK_BYTES - 100):
                opened.seek(offset)
                opened.read(100)
        assert line.requests == {"GET": 3}
        opened.seek(0)
        assert opened.read() == source.read_bytes()
        assert len(opened.raw._blocks) == KEPT_BLOCKS


def test_an_open_file_on_a_line_that_fails(store: S3Store, line: Behaviour, tmp_path: Path) -> None:
    source = file_of(tmp_path / "source", 2 * BLOCK_BYTES)
    store.put(source, "file")
    line.harm = worst("cut download", "GET", 2)
    with store.open("file") as opened:
        line.harm = worst("500 InternalError", "GET", 2)
        assert opened.read() == source.read_bytes()


def test_an_object_replaced_while_it_is_read_is_not_mixed(store: S3Store, tmp_path: Path) -> None:
    store.put(file_of(tmp_path / "source", 2 * BLOCK_BYTES), "file")
    with store.open("file") as opened:
        store.put(file_of(tmp_path / "other", 2 * BLOCK_BYTES + 1), "file")
        with pytest.raises(StoreUnavailableError):
            opened.read()
