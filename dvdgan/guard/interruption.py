"""Signals that ask a process to stop, and when two of them are one request."""

import signal
import time
from types import FrameType

from dvdgan.errors import InterruptedRunError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)  # the last is Slurm's warning

# The kernel announces a parent's death once for each of its threads.
BURST_SECONDS = 2.0

# What the first signal said. Foreign code may swallow the exception it raised, never this.
_asked: list[str] = []


class Burst:
    """Tells the first signal of a burst from its repetitions."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def begins(self) -> bool:
        """True unless another signal came less than BURST_SECONDS ago."""
        now = time.monotonic()
        begins = now - self._last > BURST_SECONDS
        self._last = now
        return begins


def interrupt_on_signals() -> None:
    """Make SIGNALS raise InterruptedRunError where the main thread is: a trainer is asked to save,
    workers are ended. A later second signal raises again, out of that waiting."""
    _listen(at_once=True)


def note_signals() -> None:
    """Make the first of SIGNALS be noted for `raise_if_interrupted`, and a later one raise.

    For a main thread that runs code of others, in which an exception may come at a bad moment or
    be swallowed.
    """
    _listen(at_once=False)


def raise_if_interrupted() -> None:
    """Raise InterruptedRunError when a signal has asked this process to stop."""
    if _asked:
        raise InterruptedRunError(_asked[0])


def _listen(at_once: bool) -> None:
    burst = Burst()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not burst.begins():
            return
        first = not _asked
        _asked.append(f"{signal.Signals(number).name} received")
        if at_once or not first:
            raise InterruptedRunError(_asked[-1])

    for number in SIGNALS:
        signal.signal(number, interrupt)
