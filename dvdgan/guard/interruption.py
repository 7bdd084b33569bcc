"""Signals that ask a process to stop, and when two of them are one request."""

import signal
import time
from types import FrameType

from dvdgan.errors import InterruptedRunError

# The kernel announces a parent's death once for each of its threads.
BURST_SECONDS = 2.0


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
    """Make SIGINT, SIGTERM and SIGUSR1 (Slurm's warning) raise InterruptedRunError where the main
    thread is: a trainer is asked to save, workers are ended. A later second signal raises again,
    out of that waiting."""
    burst = Burst()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if burst.begins():
            raise InterruptedRunError(f"{signal.Signals(number).name} received")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, interrupt)
