"""Telemetry as segments: joined they are its whole lines, and only what changed is sent."""

import json
import os
from pathlib import Path

import pytest

from dvdgan.guard import backup_index
from dvdgan.guard.backup_index import RunChangedError, Segments
from dvdgan.storage.folder import FolderStore


@pytest.fixture(autouse=True)
def small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(backup_index, "SEGMENT_BYTES", 100)


class CountingStore(FolderStore):
    """Counts the bytes it is sent."""

    sent = 0

    def write_bytes(self, key: str, data: bytes) -> None:
        self.sent += len(data)
        super().write_bytes(key, data)


def lines(first: int, last: int, restart: int = 0) -> str:
    steps = range(first, last + 1)
    return "".join(json.dumps({"restart_index": restart, "step": step}) + "\n" for step in steps)


def send(path: Path, store: FolderStore) -> bytes:
    """Send ``path`` and read it again."""
    cut = Segments.of(path)
    cut.send(path, store, set(store.keys()))
    return b"".join(cut.read(path.name, store))


def test_joined_they_are_the_whole_lines(tmp_path: Path) -> None:
    path, store = tmp_path / "metrics.jsonl", FolderStore(tmp_path / "store")
    assert Segments.of(path) == Segments()
    for content in ("", "torn", "x" * 99 + "\n", "x" * 100 + "\n", "x" * 500 + "\ntorn" * 60):
        path.write_text(content)
        assert send(path, store).decode() == content[: content.rfind("\n") + 1]


def test_a_file_that_grows_is_sent_once_and_half_a_segment_each_time(tmp_path: Path) -> None:
    path, store = tmp_path / "metrics.jsonl", CountingStore(tmp_path / "store")
    path.touch()
    changes = 0
    for step in range(0, 400, 4):
        with path.open("a") as file:
            file.write(lines(step + 1, step + 4))
        assert send(path, store) == path.read_bytes()
        changes += 1
    assert path.stat().st_size <= store.sent < path.stat().st_size + changes * 100


def test_after_a_rollback_what_was_before_is_not_sent_again(tmp_path: Path) -> None:
    path, store = tmp_path / "metrics.jsonl", CountingStore(tmp_path / "store")
    path.write_text(lines(1, 100))
    send(path, store)
    store.sent = 0
    path.write_text(lines(1, 90) + lines(91, 100, restart=1))
    assert send(path, store) == path.read_bytes()
    assert len(lines(91, 100)) <= store.sent < len(lines(91, 100)) + 100


def test_a_file_that_is_rewritten_meanwhile_raises(tmp_path: Path) -> None:
    path, store = tmp_path / "metrics.jsonl", FolderStore(tmp_path / "store")
    path.write_text(lines(1, 100))
    cut = Segments.of(path)
    for content in (lines(1, 90) + lines(91, 100, restart=1), lines(1, 90)):
        path.write_text(content)
        with pytest.raises(RunChangedError):
            cut.send(path, store, set())
