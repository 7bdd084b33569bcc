"""Signals that ask a trainer to stop after the step in hand."""

import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """Notes SIGINT, SIGTERM and SIGUSR1 (Slurm's warning); a second one ends the process at once.

    The last checkpoint stays whole in either case.
    """

    def __init__(self) -> None:
        self.requested = False
        for number in SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        signal.signal(number, signal.SIG_DFL)
