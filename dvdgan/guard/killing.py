"""How the processes of one launch are found and ended.

torchrun gives every rank a session of its own, and a rank whose torchrun died has another parent:
neither a session nor a process tree holds all of them. A process tag does: a variable in the
environment that every child inherits (Linux).

A process in uninterruptible sleep (state D: a disk, network or GPU that does not answer) ends only
when the kernel lets it, even after SIGKILL. It runs no more code until then, so it is named and
left.
"""

import contextlib
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable
from typing import Any

import psutil

VARIABLE = "DVDGAN_PROCESS_TAG"
# From SIGKILL until a process counts as one that cannot be ended.
KILL_SECONDS = 30.0
POLL_SECONDS = 0.05


def new_process_tag() -> dict[str, str]:
    """The variable that tags a process and all that it starts."""
    return {VARIABLE: uuid.uuid4().hex}


def tagged_processes(tag: dict[str, str]) -> list[psutil.Process]:
    """The running processes that carry ``tag``."""
    return [
        process
        for process in psutil.process_iter(["environ"])
        # None: another user's process, or a zombie
        if (process.info["environ"] or {}).get(VARIABLE) == tag[VARIABLE]
    ]


def kill_tagged(tag: dict[str, str]) -> None:
    """SIGKILL every process that carries ``tag``, until none is left to start another.

    Those that are left after KILL_SECONDS are named.
    """
    deadline = time.monotonic() + KILL_SECONDS
    while processes := tagged_processes(tag):
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if time.monotonic() > deadline:
            _name(process.pid for process in processes)
            return
        time.sleep(POLL_SECONDS)


def await_end(process: "subprocess.Popen[Any]", seconds: float | None = None) -> int:
    """The exit code of a process that was sent SIGKILL.

    One that is still there after ``seconds`` (KILL_SECONDS) is named, and the code is that of
    SIGKILL.
    """
    try:
        return process.wait(KILL_SECONDS if seconds is None else seconds)
    except subprocess.TimeoutExpired:
        _name([process.pid])
        return -signal.SIGKILL


def _name(pids: Iterable[int]) -> None:
    """Print which processes did not end after SIGKILL."""
    for pid in pids:
        print(
            f"process {_described(pid)} does not end after SIGKILL and is left running",
            file=sys.stderr,
        )


def _described(pid: int) -> str:
    """The process id, with name and state where they can be read."""
    try:
        process = psutil.Process(pid)
        return f"{pid} ({process.name()}, state {process.status()})"
    except psutil.Error:
        return str(pid)
