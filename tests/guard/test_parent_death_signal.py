"""A child with a parent death signal ends with its parent, however the parent ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dvdgan.guard import parent_death_signal

PARENT = """
import subprocess, sys, time
command = [sys.executable, "-m", "dvdgan.guard.parent_death_signal", "sleep", "600"]
print(subprocess.Popen(command, start_new_session=True).pid, flush=True)
time.sleep(600)
"""


def is_running(pid: int) -> bool:
    """Not gone, and not a zombie that nobody has waited for."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_until(condition, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(condition())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the signal is Linux's")
def test_the_child_of_a_killed_parent_ends() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        # The command has replaced the Python that set the signal.
        command = Path(f"/proc/{child}/cmdline")
        assert wait_until(lambda: command.read_bytes().startswith(b"sleep\0"))
        assert is_running(child)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert wait_until(lambda: not is_running(child))
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
        if is_running(child):
            os.kill(child, signal.SIGKILL)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the signal is Linux's")
def test_a_parent_that_died_before_its_child_had_begun_is_not_missed() -> None:
    """The child knows which parent it has to have; here it has another, as after adoption."""
    command = [sys.executable, "-m", "dvdgan.guard.parent_death_signal", "sleep", "600"]
    orphan = subprocess.run(command, env=os.environ | {parent_death_signal.PARENT: "1"}, timeout=60)
    assert orphan.returncode == -signal.SIGTERM
    child = subprocess.Popen(
        [*command[:-2], "env"],
        env=os.environ | parent_death_signal.parent_variable(),
        text=True,
        stdout=subprocess.PIPE,
    )
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    assert parent_death_signal.PARENT not in output, "its own children have another parent"
