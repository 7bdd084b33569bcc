"""A disk that is full, and one that turns read-only, under a run: a small file system for each."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from trainer_processes import Nursery, await_steps, finished

from dvdgan.errors import EXIT_INTERRUPTED, EXIT_USER_ERROR
from dvdgan.guard.run_folder import RunFolder, latest_valid, verify_checkpoint

NewRun = Callable[..., RunFolder]
SIZES = {"steps": 12, "checkpoint_every": 2, "preview_every": 6}


@pytest.fixture
def run_on_small_disk(new_run: NewRun, small_disk: Callable[[Path], None]) -> RunFolder:
    """A run whose folder is a small file system."""
    run = new_run("disk", **SIZES)
    settings = run.settings.read_bytes()
    small_disk(run.root)
    run.settings.write_bytes(settings)
    return run


def fill(run: RunFolder) -> Path:
    """A file that takes all the room there is."""
    path = run.root / "somebody-elses.bin"
    with path.open("ab", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2
    return path


def fill_until_paused(run: RunFolder, log: Path) -> Path:
    """Fill the disk, again if a checkpoint is deleted meanwhile; the file that fills it."""
    deadline, filling = time.monotonic() + 60, fill(run)
    while "paused because" not in (log.read_text() if log.exists() else ""):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)
        fill(run)
    return filling


def test_a_full_disk_pauses_the_run_and_room_lets_it_go_on(
    run_on_small_disk: RunFolder, new_run: NewRun, nursery: Nursery, tmp_path: Path
) -> None:
    undisturbed = new_run("undisturbed", **SIZES)
    nursery.begin("trainer", undisturbed)
    assert nursery.ended() == 0
    run, log = run_on_small_disk, tmp_path / "output.log"
    nursery.begin("trainer", run, log=log)
    await_steps(run, 3, log)
    whole = run.saved_steps()
    filling = fill_until_paused(run, log)
    before = -1
    while finished(run) != before:  # the step during which it paused may still end
        before = finished(run)
        time.sleep(1)
    assert before < SIZES["steps"]
    assert list(run.checkpoints.glob(".*.tmp")) == []
    assert run.saved_steps()[: len(whole)] == whole
    assert latest_valid(run)[1] == []
    filling.unlink()
    assert nursery.ended() == 0, log.read_text()
    assert "has been written; training continues" in log.read_text()
    assert run.metrics.read_bytes() == undisturbed.metrics.read_bytes()
    for path in undisturbed.checkpoint(SIZES["steps"]).iterdir():
        same = run.checkpoint(SIZES["steps"]) / path.name
        assert same.read_bytes() == path.read_bytes(), path.name


def test_a_stop_while_the_disk_is_full_leaves_the_last_checkpoint(
    run_on_small_disk: RunFolder, nursery: Nursery, tmp_path: Path
) -> None:
    run, log = run_on_small_disk, tmp_path / "output.log"
    pid = nursery.begin("trainer", run, log=log)
    await_steps(run, 3, log)
    fill_until_paused(run, log)
    os.kill(pid, 15)
    assert nursery.ended() == EXIT_INTERRUPTED
    assert "stopped while the disk was full; the last checkpoint is valid" in log.read_text()
    assert verify_checkpoint(run.checkpoint(run.saved_steps()[-1])) is None


def test_a_disk_that_turns_read_only_ends_the_run_with_what_to_do(
    new_run: NewRun, small_disk: Callable[[Path], None], nursery: Nursery, tmp_path: Path
) -> None:
    run, log = new_run("read-only", **SIZES), tmp_path / "output.log"
    small_disk(run.checkpoints)
    nursery.begin("trainer", run, log=log)
    await_steps(run, 3, log)
    remount = ["mount", "-o", "remount,ro", str(run.checkpoints)]
    while subprocess.run(remount, capture_output=True).returncode != 0:
        time.sleep(0.005)  # busy: a checkpoint is being written
    assert nursery.ended() == EXIT_USER_ERROR, log.read_text()
    told = log.read_text()
    assert "cannot be written: Read-only file system" in told and "to do: " in told
    assert "Traceback" not in told
    assert verify_checkpoint(run.checkpoint(run.saved_steps()[-1])) is None
