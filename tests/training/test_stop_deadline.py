"""A rank that is stuck in a collective leaves when it must stop; one that saves does not."""

import signal
import subprocess
import sys
import time

from dvdgan.errors import EXIT_INTERRUPTED

# Locks a mutex of C twice: as in a collective, no Python handler runs any more.
RANK = """
import ctypes, sys, time
from dvdgan.training import stop_request

stop_request.DEADLINE_SECONDS = 1.0
stop, deadline = stop_request.StopRequest(), stop_request.StopDeadline()
deadline.step_ended()
print("training", flush=True)
if sys.argv[1] == "stuck":
    mutex = (ctypes.c_char * 64)()
    while True:
        ctypes.CDLL(None).pthread_mutex_lock(mutex)
while not stop.requested:
    time.sleep(0.01)
deadline.cancel()
time.sleep(2)  # saving
"""


def stopped(how: str) -> tuple[int, str, float]:
    """Exit code, stderr, and seconds from SIGTERM to the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", RANK, how],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "training\n"
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    try:
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, errors, time.monotonic() - began


def test_a_rank_in_a_collective_that_never_ends_leaves() -> None:
    code, errors, seconds = stopped("stuck")
    assert code == EXIT_INTERRUPTED
    assert "no step has ended within 1 s" in errors
    assert seconds >= 0.9


def test_a_rank_that_saves_has_the_time_it_takes() -> None:
    code, errors, _ = stopped("saving")
    assert (code, errors) == (0, "")
