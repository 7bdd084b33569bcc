"""Files appear whole or not at all; hashes are those of other tools; equal values, equal bytes."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from dvdgan.storage.local import (
    atomic_directory,
    atomic_file,
    link_or_copy,
    publish,
    read_json,
    sha256_of_file,
    sha256_of_tree,
    write_json,
)


class PowerCutError(Exception):
    """Stands for whatever ends a write half way."""


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.bin"
    with atomic_file(target) as aside:
        aside.write_bytes(b"half")
        assert not target.exists()
        aside.write_bytes(b"whole")
    assert target.read_bytes() == b"whole"
    assert names(tmp_path) == ["new", "new/file.bin"]


def test_a_broken_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(b"old")
    with pytest.raises(PowerCutError), atomic_file(target) as aside:
        aside.write_bytes(b"half")
        raise PowerCutError
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["file.bin"]


def test_a_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("old")
    with atomic_directory(target) as aside:
        (aside / "deep").mkdir()
        (aside / "deep" / "new").write_text("new")
        assert names(target) == ["old"]
    assert names(tmp_path) == ["out", "out/deep", "out/deep/new"]


def test_a_broken_folder_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(PowerCutError), atomic_directory(target) as aside:
        (aside / "new").write_text("half")
        raise PowerCutError
    assert names(tmp_path) == ["out", "out/old"]


def test_leftovers_of_a_killed_process_do_not_enter_the_folder(tmp_path: Path) -> None:
    leftover = tmp_path / f".out.{os.getpid()}.tmp"
    leftover.mkdir()
    (leftover / "stale").write_text("stale")
    with atomic_directory(tmp_path / "out") as aside:
        (aside / "new").write_text("new")
    assert names(tmp_path) == ["out", "out/new"]


def test_hash_of_a_file_larger_than_a_chunk(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    path = tmp_path / "file.bin"
    path.write_bytes(content)
    assert sha256_of_file(path) == hashlib.sha256(content).hexdigest()


def test_hash_of_a_tree_sees_names_bytes_and_places_of_matching_files(tmp_path: Path) -> None:
    seen = set()

    def look() -> str:
        mark = sha256_of_tree(tmp_path, "*.py")
        seen.add(mark)
        return mark

    (tmp_path / "a.py").write_text("one")
    first = look()
    (tmp_path / "note.txt").write_text("not code")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "a-checkpoint.py").write_text("a notebook's copy")
    (tmp_path / "._a.py").write_text("a copy by macOS")
    (tmp_path / ".#a.py").symlink_to("an editor's lock")
    assert look() == first
    (tmp_path / "a.py").write_text("two")
    look()
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    look()
    (tmp_path / "deep").mkdir()
    (tmp_path / "b.py").rename(tmp_path / "deep" / "b.py")
    look()
    assert len(seen) == 4


def test_json_is_the_same_bytes_for_equal_values(tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    write_json(one, {"b": [1, 0.1], "a": "zażółć"})
    write_json(other, {"a": "zażółć", "b": [1, 0.1]})
    assert one.read_bytes() == other.read_bytes()
    assert "zażółć" in one.read_text(encoding="utf-8")
    assert read_json(one) == json.loads(one.read_text("utf-8")) == {"a": "zażółć", "b": [1, 0.1]}


def test_what_json_cannot_hold_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file.json", {"loss": float("nan")})
    assert names(tmp_path) == []


def test_published_files_are_links_of_their_source(tmp_path: Path) -> None:
    source, target = tmp_path / "work", tmp_path / "out"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "file").write_text("content")
    target.mkdir()
    (target / "old").write_text("old")
    publish(source, target)
    assert names(target) == ["deep", "deep/file"]
    assert (target / "deep" / "file").samefile(source / "deep" / "file")


def test_where_links_are_impossible_files_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: str, target: str) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("content")
    link_or_copy(str(source), str(target))
    assert target.read_text() == "content"
    assert not target.samefile(source)


def test_a_copy_that_breaks_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: str, target: str) -> None:
        raise OSError("no hard links here")

    def break_off(source: str, target: Path) -> None:
        target.write_text("half")
        raise PowerCutError

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(shutil, "copy2", break_off)
    (tmp_path / "source").write_text("content")
    with pytest.raises(PowerCutError):
        link_or_copy(str(tmp_path / "source"), str(tmp_path / "target"))
    assert names(tmp_path) == ["source"]
