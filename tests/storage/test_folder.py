"""A folder as a store, and the URLs of stores."""

import errno
import os
import stat
from pathlib import Path

import pytest

from dvdgan.errors import UserError
from dvdgan.storage import folder
from dvdgan.storage.folder import FolderStore
from dvdgan.storage.open_store import open_store
from dvdgan.storage.rate_limiter import RateLimiter
from dvdgan.storage.store import StoreUnavailableError


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def test_what_is_put_is_fetched(store: FolderStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 10_000)
    assert store.keys() == []
    store.put(source, "deep/file")
    store.write_bytes("b", b"small")
    store.fetch("deep/file", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    assert store.size("deep/file") == 2_560_000
    assert store.read("deep/file", 254, 4) == b"\xfe\xff\x00\x01"
    assert store.read_bytes("b") == b"small"
    assert store.keys() == ["b", "deep/file"]
    assert store.keys("de") == ["deep/file"]
    store.delete("deep/file")
    store.delete("deep/file")
    assert store.keys() == ["b"]
    assert [path.name for path in store.root.iterdir()] == ["b"]


def test_what_is_not_there(store: FolderStore, tmp_path: Path) -> None:
    for ask in (store.size, store.read_bytes, lambda key: store.fetch(key, tmp_path / "copy")):
        with pytest.raises(FileNotFoundError):
            ask("missing")
    store.write_bytes("file", b"0123456789")
    with pytest.raises(ValueError, match="ends before byte 11"):
        store.read("file", 8, 3)
    for key in ("", "../b", "/etc/passwd", "a/../../b"):
        with pytest.raises(ValueError, match="not a key"):
            store.read_bytes(key)


def test_a_killed_copy_is_no_key_and_is_swept(store: FolderStore, tmp_path: Path) -> None:
    store.root.mkdir()
    (store.root / ".file.1.tmp").write_bytes(b"half")
    assert store.keys() == []
    (tmp_path / "source").write_bytes(b"whole")
    store.put(tmp_path / "source", "file")
    assert [path.name for path in store.root.iterdir()] == ["file"]


def test_bytes_already_there_are_not_written_again(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"whole")
    store.put(tmp_path / "source", "file")
    before = (store.root / "file").stat().st_ino
    store.put(tmp_path / "source", "file")
    assert (store.root / "file").stat().st_ino == before
    (store.root / "file").write_bytes(b"wrong")
    store.put(tmp_path / "source", "file")
    assert store.read_bytes("file") == b"whole"


def test_a_copy_that_differs_does_not_appear(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source").write_bytes(b"whole")
    monkeypatch.setattr(folder, "sha256_of_file", lambda path: "another")
    with pytest.raises(StoreUnavailableError, match="differs from what was written"):
        store.put(tmp_path / "source", "file")
    assert store.keys() == []


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (errno.EACCES, UserError),
        (errno.EROFS, UserError),
        (errno.EIO, StoreUnavailableError),
        (errno.ESTALE, StoreUnavailableError),
        (errno.ENOSPC, StoreUnavailableError),
    ],
)
def test_what_waiting_mends_is_told_from_what_it_does_not(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, code: int, told: type[Exception]
) -> None:
    def fail(path: Path, data: bytes) -> int:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(told, match=os.strerror(code)):
        store.write_bytes("file", b"")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_not_an_empty_one(store: FolderStore) -> None:
    store.root.mkdir()
    store.root.chmod(0)
    try:
        with pytest.raises(UserError, match="refuses"):
            store.keys()
    finally:
        store.root.chmod(stat.S_IRWXU)


def test_every_byte_is_paced(tmp_path: Path) -> None:
    slept: list[float] = []
    pace = RateLimiter(1 << 20, clock=lambda: 0.0, sleep=slept.append)
    store = FolderStore(tmp_path / "store", pace)
    (tmp_path / "source").write_bytes(bytes(3 << 20))
    store.put(tmp_path / "source", "file")
    assert slept == [1.0, 2.0]
    store.fetch("file", tmp_path / "copy")
    store.write_bytes("other", bytes(1 << 20))
    store.read("other", 0, 1 << 19)
    assert pace._free_at == 7.5


def test_a_pause_is_not_made_up_for() -> None:
    now, slept = [0.0], []
    pace = RateLimiter(10, clock=lambda: now[0], sleep=slept.append)
    pace.take(10)
    now[0] = 100.0
    pace.take(10)
    pace.take(10)
    assert slept == [1.0]


def test_urls(tmp_path: Path) -> None:
    for url in (str(tmp_path), tmp_path.as_uri()):
        store = open_store(url, 5.0)
        assert isinstance(store, FolderStore)
        assert (store.root, store._limiter.bytes_per_second) == (tmp_path, 5.0)
    assert open_store((tmp_path / "a b").as_uri()).root == tmp_path / "a b"
    assert str(open_store("s3://bucket/deep/prefix/")) == "s3://bucket/deep/prefix"
    assert str(open_store("s3://bucket")) == "s3://bucket"
    for url in ("", "s3://", "ftp://host/file", "file://host/file"):
        with pytest.raises(UserError, match="URL"):
            open_store(url)


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", "a/b/", "a/bc/d", "ab", "x", "a/b/c/d"])
def test_a_prefix_is_of_the_whole_key(tmp_path: Path, prefix: str) -> None:
    names = ["a", "ab", "b/a", "c/b/c/d", "c/bc/d", "c/b", "x/y"]
    keys = ["one", *(f"{name}.d/file" for name in names), "a/b/c/d", "a/b/c/e", "a/bc/d", "ab/c"]
    store = FolderStore(tmp_path)
    for key in keys:
        store.write_bytes(key, b"")
    assert store.keys(prefix) == sorted(key for key in keys if key.startswith(prefix))


def test_folders_beside_a_prefix_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderStore(tmp_path)
    for key in ("near/file", "far/file"):
        store.write_bytes(key, b"")
    scandir, read = os.scandir, []
    monkeypatch.setattr(
        os, "scandir", lambda path: (read.append(Path(path).name), scandir(path))[1]
    )
    assert store.keys("near/") == ["near/file"]
    assert "far" not in read
    assert "near" in read
