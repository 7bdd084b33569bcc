"""Signals that stop a process, and which of them are repetitions of one."""

import signal
import time
from types import FrameType

from dvdgan.errors import InterruptedRunError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)  # the last is Slurm's warning

# The kernel announces a parent's death once for each of its threads.
BURST_SECONDS = 2.0

# The signals received. Foreign code may swallow the exception that one raised, never this.
_received: list[str] = []


class Burst:
    """Separates the first signal of a burst from its repetitions."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def begins(self) -> bool:
        """True unless another signal came less than BURST_SECONDS ago."""
        now = time.monotonic()
        begins = now - self._last > BURST_SECONDS
        self._last = now
        return begins


def interrupt_on_signals() -> None:
    """Make SIGNALS raise InterruptedRunError where the main thread is: the trainer is stopped
    and saves, workers are ended. A later second signal raises again, and ends that waiting."""
    _handle_signals(at_once=True)


def record_signals() -> None:
    """Record the first of SIGNALS for `raise_if_interrupted`, and raise at a later one.

    For a main thread that runs code of others, in which an exception may come at a bad moment or
    be swallowed.
    """
    _handle_signals(at_once=False)


def raise_if_interrupted() -> None:
    """Raise InterruptedRunError when one of SIGNALS was received."""
    if _received:
        raise InterruptedRunError(_received[0])


def _handle_signals(at_once: bool) -> None:
    burst = Burst()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not burst.begins():
            return
        first = not _received
        _received.append(f"{signal.Signals(number).name} received")
        if at_once or not first:
            raise InterruptedRunError(_received[-1])

    for number in SIGNALS:
        signal.signal(number, interrupt)
