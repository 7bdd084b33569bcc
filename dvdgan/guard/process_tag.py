"""Marks: a word in the environment by which all processes of one launch are found (Linux).

torchrun gives every rank a session of its own, and a rank whose torchrun died has another parent:
neither a session nor a process tree holds all of them. What they inherit does.
"""

import contextlib
import os
import signal
import time
import uuid
from pathlib import Path

from dvdgan.guard import killing

POLL_SECONDS = 0.05
VARIABLE = "DVDGAN_PROCESS_TAG"


def new_process_tag() -> dict[str, str]:
    """The variable that marks a process and all it starts."""
    return {VARIABLE: uuid.uuid4().hex}


def tagged_processes(tag: dict[str, str]) -> list[int]:
    """The process ids that carry ``tag``."""
    word = f"{VARIABLE}={tag[VARIABLE]}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:  # it has ended, or is another user's
            continue
        if word in words:
            found.append(int(path.parent.name))
    return found


def kill_tagged(tag: dict[str, str]) -> None:
    """SIGKILL every process that carries ``tag``, until none is left to start another.

    What is left after KILL_SECONDS is named (guard/killing.py).
    """
    deadline = time.monotonic() + killing.KILL_SECONDS
    while pids := tagged_processes(tag):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            killing.name_left(pids)
            return
        time.sleep(POLL_SECONDS)
