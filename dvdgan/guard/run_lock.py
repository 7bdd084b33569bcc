"""Who may work on a run: one command, one supervisor and one trainer at a time.

A lock is a file in the run folder. The system frees it when the process that holds it is gone,
however it went, on a file system that several machines share too.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from dvdgan.errors import UserError
from dvdgan.guard.interruption import raise_if_interrupted

# A trainer that was asked to stop finishes its step and saves; its supervisor waits for that.
WAIT_SECONDS = 300.0
POLL_SECONDS = 0.2


@contextmanager
def lock(lock: Path, what: str) -> Iterator[None]:
    """Hold the file ``lock`` inside the block; ``what`` names whoever else may be holding it.

    Waits up to WAIT_SECONDS and says so. Raises UserError when it is still held then, and
    InterruptedRunError when a stop is asked for while it waits.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    file = FileLock(lock)
    told = False
    while True:
        try:
            file.acquire(timeout=0)
            break
        except Timeout as error:
            if time.monotonic() > deadline:
                raise UserError(
                    f"{what} is still at work on this very run",
                    where=str(lock.parent),
                    todo="wait for it, or stop it",
                ) from error
        if not told:
            print(f"train: waiting for {what} in {lock.parent}", file=sys.stderr, flush=True)
            told = True
        raise_if_interrupted()
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        file.release()
