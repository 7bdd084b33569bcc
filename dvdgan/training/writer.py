"""Writes files beside training, so that no step waits for a disk; waits where the disk is full."""

import sys
import threading
from collections import deque
from collections.abc import Callable

from dvdgan.errors import UserError
from dvdgan.storage.local import is_full

RETRY_SECONDS = 5.0

Job = tuple[str, Callable[[], None]]


class BackgroundWriter:
    """One thread that does one writing job after another, in the order they were handed in.

    A job that fails must leave nothing behind. Where it fails because the disk is full it is tried
    again until there is room, and `blocked` says so; any other failure is raised by `check`.
    """

    def __init__(self, retry_seconds: float = RETRY_SECONDS) -> None:
        self.blocked: str | None = None
        """What cannot be written because the disk is full; None: all is well."""
        self._retry_seconds = retry_seconds
        self._jobs: deque[Job] = deque()  # the first one is in hand
        self._changed = threading.Condition()
        self._failure: Exception | None = None
        self._given_up = False
        threading.Thread(target=self._work, name="writer", daemon=True).start()

    def submit(self, what: str, write: Callable[[], None]) -> None:
        """Have ``write`` called. ``what`` names the file in messages."""
        with self._changed:
            self._jobs.append((what, write))
            self._changed.notify_all()

    def check(self) -> None:
        """Raise what a job raised; UserError where the disk refused it."""
        if isinstance(self._failure, OSError):
            raise UserError(
                f"the run folder cannot be written: {self._failure.strerror}",
                where=str(self._failure.filename or ""),
                todo="mend the disk, or its permissions; the same command goes on from the last "
                "checkpoint",
            ) from self._failure
        if self._failure is not None:
            raise self._failure

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for all jobs handed in; whether they are done. Raises as `check` does."""
        with self._changed:
            done = self._changed.wait_for(lambda: self._failure or not self._jobs, seconds)
        self.check()
        return bool(done)

    def give_up(self) -> None:
        """Drop what waits for room on the disk, and what is behind it."""
        with self._changed:
            self._given_up = True
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs)
                what, write = self._jobs[0]
            try:
                self._do(what, write)
            except Exception as failure:  # raised again in the thread that trains
                with self._changed:
                    self._failure = failure
                    self._changed.notify_all()
                return
            with self._changed:
                self._jobs.popleft()
                self._changed.notify_all()

    def _do(self, what: str, write: Callable[[], None]) -> None:
        while not self._given_up:
            try:
                write()
            except OSError as error:
                if not is_full(error):
                    raise
                if self.blocked is None:
                    _say(
                        f"paused, cannot write {what}: {error.strerror}. Free some space and it "
                        "goes on, or stop it: the last checkpoint is whole"
                    )
                self.blocked = what
                with self._changed:
                    self._changed.wait_for(lambda: self._given_up, self._retry_seconds)
            else:
                if self.blocked is not None:
                    _say(f"{what} is written, going on")
                self.blocked = None
                return


def _say(line: str) -> None:
    print(f"train: {line}", file=sys.stderr, flush=True)
