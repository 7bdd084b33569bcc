"""Signals that ask a trainer to stop after the step in hand."""

import os
import signal
from types import FrameType

from dvdgan.guard.interruption import Burst

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """Notes SIGINT, SIGTERM and SIGUSR1 (Slurm's warning); a later second one ends the process.

    The last checkpoint stays whole in either case.
    """

    def __init__(self) -> None:
        self.requested = False
        self._burst = Burst()
        for number in SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self._burst.begins():
            return
        if self.requested:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.requested = True
