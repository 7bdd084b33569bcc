"""A command in a process group of its own, its lines streamed, its end the end of all of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from dvdgan.guard.killing import await_end
from dvdgan.guard.parent_death_signal import WITH_PARENT_DEATH_SIGNAL, parent_variable
from dvdgan.machine.machine import file_variable

# A trainer finishes its step and saves before it goes.
STOP_GRACE_SECONDS = 180.0


def run_in_group(command: Sequence[str], folder: str, on_line: Callable[[str], None]) -> int:
    """Run ``command`` in ``folder``, hand every line it prints to ``on_line``, return its code.

    The machine file of this process's folder holds for the command as well.

    When this call is interrupted (Ctrl-C, a cancelled flow run) the whole group is stopped first:
    SIGINT, which DVC waits out while its stage saves, then SIGKILL. When this process is killed
    outright, the kernel signals the command.
    """
    # The tools of the environment this Python belongs to, whether it is activated or not.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    process = subprocess.Popen(
        [*WITH_PARENT_DEATH_SIGNAL, *command],
        cwd=folder,
        env={
            **os.environ,
            **file_variable(),
            **parent_variable(),
            "PATH": path,
            "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            on_line(line.rstrip("\n"))
        return process.wait()
    except BaseException:
        _stop_group(process)
        raise


def _stop_group(process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + STOP_GRACE_SECONDS
    _signal_group(process, signal.SIGINT)
    while _group_lives(process) and time.monotonic() < deadline:
        time.sleep(0.2)
    _signal_group(process, signal.SIGKILL)
    await_end(process)


def _signal_group(process: subprocess.Popen[str], number: int) -> bool:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def _group_lives(process: subprocess.Popen[str]) -> bool:
    process.poll()  # a zombie still counts as a member
    return _signal_group(process, 0)
