"""What is done about processes that SIGKILL does not end at once.

A process in uninterruptible sleep (state D: a disk, network or GPU that does not answer) ends only
when the kernel lets it. It runs no more code until then, so it is named and left.
"""

import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# From SIGKILL until a process counts as one that cannot be ended.
KILL_SECONDS = 30.0


def await_end(process: "subprocess.Popen[Any]", seconds: float | None = None) -> int:
    """The exit code of a process that was sent SIGKILL.

    One that is still there after ``seconds`` (KILL_SECONDS) is named, and the code is that of
    SIGKILL.
    """
    try:
        return process.wait(KILL_SECONDS if seconds is None else seconds)
    except subprocess.TimeoutExpired:
        name_left([process.pid])
        return -signal.SIGKILL


def name_left(pids: Iterable[int]) -> None:
    """Print the name and the state of processes that did not end after SIGKILL."""
    for pid in pids:
        print(f"process {_described(pid)} does not end after SIGKILL: it is left", file=sys.stderr)


def _described(pid: int) -> str:
    """Its number, name and state, as far as /proc (Linux) has them."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return str(pid)
    fields = dict(line.partition(":")[::2] for line in lines.splitlines())
    return f"{pid} ({fields['Name'].strip()}, state {fields['State'].strip()})"
