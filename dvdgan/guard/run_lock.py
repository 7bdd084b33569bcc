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

# A trainer that is being stopped finishes its step and saves; its supervisor waits for that.
WAIT_SECONDS = 300.0
POLL_SECONDS = 0.2


@contextmanager
def lock(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file ``path`` inside the block; ``what`` names who else may hold it.

    Waits up to WAIT_SECONDS, with a line on stderr. Raises UserError when another still holds it
    then, and InterruptedRunError when a signal stops this process meanwhile.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    file = FileLock(path)
    announced = False
    while True:
        try:
            file.acquire(timeout=0)
            break
        except Timeout as error:
            if time.monotonic() > deadline:
                raise UserError(
                    f"{what} is still working on this run",
                    where=str(path.parent),
                    todo="wait for it, or stop it",
                ) from error
        if not announced:
            print(f"train: waiting for {what} in {path.parent}", file=sys.stderr, flush=True)
            announced = True
        raise_if_interrupted()
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        file.release()
