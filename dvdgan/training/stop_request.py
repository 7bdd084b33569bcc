"""Stop requests: signals that ask a trainer to save and end, and what happens when it cannot."""

import os
import signal
import threading
import time
from collections import deque
from types import FrameType

from dvdgan.errors import EXIT_INTERRUPTED
from dvdgan.guard.interruption import Burst

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)  # the last is Slurm's warning

# From the signal to the end of a step: this many of the longest recent steps, and at least as long
# as a step of the paper's size takes on a slow day (1 to 2 s on H100s).
DEADLINE_STEPS, DEADLINE_SECONDS = 3, 20.0
RECENT_STEPS = 20


class StopRequest:
    """Records SIGINT, SIGTERM and SIGUSR1; a second one, seconds later, ends the process.

    The last checkpoint stays valid in either case.
    """

    def __init__(self) -> None:
        self.requested = False
        self._burst = Burst()
        for number in SIGNALS:
            signal.signal(number, self._record)

    def _record(self, number: int, frame: FrameType | None) -> None:
        if not self._burst.begins():
            return
        if self.requested:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.requested = True


class StopDeadline:
    """Ends a rank that received one of SIGNALS and cannot stop, because another rank is gone.

    A collective waits for a dead rank, with NCCL for ten minutes, and no Python signal handler runs
    meanwhile. torchrun, which wants to restart all ranks, would wait for its --shutdown-timeout.
    The deadline counts from the first signal; `cancel` ends it. For the main thread, once.
    """

    def __init__(self) -> None:
        self._seconds: deque[float] = deque([0.0], maxlen=RECENT_STEPS)
        self._began = time.monotonic()
        self._cancelled = threading.Event()
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        # The interpreter itself writes there, also while the main thread is in a collective.
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=self._work, args=(reader,), daemon=True).start()

    def step_ended(self) -> None:
        """Record how long the step took."""
        now = time.monotonic()
        self._seconds.append(now - self._began)
        self._began = now

    def cancel(self) -> None:
        """All ranks have agreed to stop: saving may take as long as it needs."""
        self._cancelled.set()

    def _work(self, reader: int) -> None:
        while os.read(reader, 1)[0] not in SIGNALS:
            continue
        seconds = max(DEADLINE_SECONDS, DEADLINE_STEPS * max(self._seconds))
        if not self._cancelled.wait(seconds):
            line = f"train: no step has ended within {seconds:.0f} s of the stop request: "
            os.write(2, f"{line}another rank has died, so this one exits\n".encode())
            os._exit(EXIT_INTERRUPTED)
