"""A folder that takes the place of another: a kill at any moment leaves one of the two, whole."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from replacing_process import NAMES, fill

from dvdgan.storage import local
from dvdgan.storage.exchange import exchange
from dvdgan.storage.local import atomic_directory, remove_abandoned, replace_directory

PROCESS = Path(__file__).with_name("replacing_process.py")
KILLS = 12


def generation(folder: Path) -> int:
    """The number that all files of a whole folder hold."""
    (number,) = {int((folder / name).read_text()) for name in NAMES}
    return number


@pytest.fixture(params=["exchange", "renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to replace a folder: file systems differ."""
    if request.param == "renames":
        monkeypatch.setattr(local, "exchange", lambda one, other: False)
    return str(request.param)


def test_killed_at_any_moment_the_old_or_the_new_folder_is_there(tmp_path: Path, way: str) -> None:
    target, number, draws = tmp_path / "out", 0, random.Random(0)
    with atomic_directory(target) as aside:
        fill(aside, 0)
    for _ in range(KILLS):
        command = [sys.executable, str(PROCESS), str(target), way, str(number + 1)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(draws.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if way == "renames":
            remove_abandoned(tmp_path)
        assert generation(target) > number
        number = generation(target)
    with atomic_directory(target) as aside:
        fill(aside, number + 1)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_killed_between_two_renames_the_old_folder_is_put_back(tmp_path: Path) -> None:
    target = tmp_path / "out"
    (tmp_path / ".out.old").mkdir()
    fill(tmp_path / ".out.old", 1)
    with pytest.raises(InterruptedError), atomic_directory(target) as aside:
        assert generation(target) == 1
        fill(aside, 2)
        raise InterruptedError
    assert generation(target) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_was_there_is_gone_and_other_parents_do(tmp_path: Path, way: str) -> None:
    new, target = tmp_path / "checkpoints" / "new", tmp_path / "collapsed" / "old"
    for number, folder in enumerate((new, target)):
        folder.mkdir(parents=True)
        fill(folder, number)
    (target / "more").write_text("old")
    replace_directory(new, target)
    assert generation(target) == 0
    assert not (target / "more").exists()
    assert list((tmp_path / "checkpoints").iterdir()) == []
    assert [path.name for path in (tmp_path / "collapsed").iterdir()] == ["old"]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_file_or_a_link_is_no_folder_to_replace(tmp_path: Path, way: str, kind: str) -> None:
    target, other = tmp_path / "out", tmp_path / "other"
    other.mkdir()
    if kind == "file":
        target.write_text("mine")
    else:
        target.symlink_to(other)
    with pytest.raises(NotADirectoryError), atomic_directory(target) as aside:
        fill(aside, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "out"]


def test_what_killed_processes_left_is_removed_and_what_others_write_is_not(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    kept = [f".out.{os.getppid()}.tmp", ".out.mine.tmp", ".other.1.tmp"]
    for name in (f".out.{ended.pid}.tmp", *kept):
        (tmp_path / name).mkdir()
    with atomic_directory(tmp_path / "out") as aside:
        fill(aside, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, "out"])


def test_all_files_and_folders_are_on_disk_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def note(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append(path.relative_to(tmp_path).as_posix())

    monkeypatch.setattr(os, "fsync", note)
    with atomic_directory(tmp_path / "new" / "out") as aside:
        fill(aside, 1)
    aside_name = f"new/{aside.name}"
    inside = [f"{aside_name}/{name}" for name in (*NAMES, "deep/er", "deep")]
    assert synced[0] == "."  # `new` itself
    assert sorted(synced[1:-2]) == sorted(inside)
    assert synced[-2:] == [aside_name, "new"]


def test_paths_are_exchanged_or_nothing_happens(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    with pytest.raises(FileNotFoundError):
        exchange(one, other)
    other.write_text("a file")
    if not exchange(one, other):
        pytest.skip("this file system cannot exchange two paths")
    assert one.read_text() == "a file" and other.is_dir()
