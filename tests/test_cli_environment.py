"""Faults of the machine end a command with words: a full disk, a closed output, a closed folder."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import dvdgan.cli
from dvdgan.errors import EXIT_USER_ERROR, as_user_error
from dvdgan.storage.output import write_output

# Prints a line, and nothing on stderr.
VERSION = [sys.executable, "-m", "dvdgan", "--version"]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that holds 8 KiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["dvdgan", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        dvdgan.cli.main()
    return int(ended.value.code or 0)


def test_a_full_disk_is_named_with_the_file(
    tiny_disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "synthetic", tiny_disk / "videos") == EXIT_USER_ERROR
    errors = capsys.readouterr().err
    assert "error: No space left on device\n" in errors
    assert "to do: free some space" in errors
    assert list(tiny_disk.iterdir()) == []


def test_a_result_that_finds_no_room_leaves_the_earlier_one(tiny_disk: Path) -> None:
    path = tiny_disk / "metrics.json"
    write_output(path, {"FVD": 1.0})
    before = path.read_bytes()
    with pytest.raises(OSError, match="No space left"):
        write_output(path, {"FVD": "x" * 20_000})
    assert path.read_bytes() == before
    assert list(tiny_disk.iterdir()) == [path]


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.mkdir(),
        lambda path: path.symlink_to(path),
        lambda path: path.parent.chmod(0),
    ],
    ids=["a folder", "a link to itself", "a folder that is closed"],
)
def test_params_that_cannot_be_read_are_refused_in_words(
    make: Callable[[Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    make(folder / "params.yaml")
    assert run(monkeypatch, "check", "--params", folder / "params.yaml") == EXIT_USER_ERROR
    assert "Traceback" not in capsys.readouterr().err
    folder.chmod(0o755)


def test_an_error_that_may_be_a_bug_has_no_words() -> None:
    assert as_user_error(FileNotFoundError(errno.ENOENT, "missing", "a")) is None
    assert as_user_error(OSError("no number")) is None
    told = as_user_error(OSError(errno.EMFILE, "Too many open files", b"caf\xe9"))
    assert told is not None and "ulimit -n" in told.todo


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_left_changes_nothing(unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        VERSION,
        stdout=writing,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        timeout=60,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_without_output_works(closed: str, tmp_path: Path) -> None:
    """What is printed must not go into a file that got the free descriptor."""
    script = f'exec "$@" {closed}'
    words = [sys.executable, "-m", "dvdgan", "synthetic", str(tmp_path / "videos")]
    few = ["--videos-per-class", "2", "--size", "32", "--frames", "2"]
    done = subprocess.run(["sh", "-c", script, "sh", *words, *few], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "videos").glob("*/*.mp4"))) == 8
    for video in (tmp_path / "videos").glob("*/*.mp4"):
        assert b"synthetic:" not in video.read_bytes()


def test_a_full_disk_under_the_output_is_an_error() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(VERSION, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == EXIT_USER_ERROR
    assert done.stderr.startswith("error: No space left on device\n")
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
