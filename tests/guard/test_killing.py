"""Processes that SIGKILL does not end are named and left, without a busy wait."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dvdgan.guard import killing
from dvdgan.guard.killing import await_end, kill_tagged, new_process_tag, tagged_processes
from dvdgan.guard.run_folder import RunFolder
from dvdgan.guard.trainer_process import TrainerProcess

# A launcher: its one rank has a session of its own.
LAUNCHER = """
import signal, subprocess, time
subprocess.Popen(["sleep", "600"], start_new_session=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(killing, "KILL_SECONDS", 0.5)


@pytest.fixture
def deathless(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[int]]:
    """SIGKILL has no effect on any tagged process, as in state D. Yields those it was sent to."""
    sent: set[int] = set()
    monkeypatch.setattr(psutil.Process, "kill", lambda process: sent.add(process.pid))
    yield sent
    for pid in sent:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_waiting_for_what_cannot_be_killed_is_neither_busy_nor_endless(
    deathless: set[int], capsys: pytest.CaptureFixture[str]
) -> None:
    tag = new_process_tag()
    process = subprocess.Popen(["sleep", "600"], env=os.environ | tag)
    began, busy = time.monotonic(), time.process_time()
    kill_tagged(tag)
    assert time.monotonic() - began < 20
    assert time.process_time() - busy < 0.4, "it spins"
    assert deathless == {process.pid}
    line = f"process {process.pid} (sleep, state sleeping) does not end after SIGKILL"
    assert line in capsys.readouterr().err


def test_a_rank_that_cannot_be_killed_holds_no_stop_up(
    tmp_path: Path, deathless: set[int], capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = TrainerProcess(RunFolder(tmp_path), [sys.executable, "-c", LAUNCHER])
    deadline = time.monotonic() + 30
    while len(tagged_processes(trainer._tag)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    began = time.monotonic()
    trainer.stop(grace=0.2)
    assert time.monotonic() - began < 20
    [left] = tagged_processes(trainer._tag)
    assert left.pid in deathless
    assert f"process {left.pid} (sleep, state sleeping)" in capsys.readouterr().err


def test_a_process_that_does_not_end_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    process = subprocess.Popen(["sleep", "600"])
    try:
        assert await_end(process) == -signal.SIGKILL
        assert f"process {process.pid} (sleep, state sleeping)" in capsys.readouterr().err
    finally:
        process.kill()
    assert await_end(process, 30) == -signal.SIGKILL
    assert capsys.readouterr().err == ""
