"""Ends a rank that was asked to stop and cannot, because another rank is gone.

A collective waits for the part of a dead rank, with NCCL for ten minutes, and no Python signal
handler runs meanwhile. torchrun, which wants to start all ranks again, would wait for its
--shutdown-timeout.
"""

import os
import signal
import threading
import time
from collections import deque

from dvdgan.errors import EXIT_INTERRUPTED
from dvdgan.training.stopping import SIGNALS

# From the signal to the end of a step: so many of the longest of the last steps, and no less than a
# step of the paper's size takes on a slow day (1 to 2 s on H100s).
STEPS, LEAST_SECONDS = 3, 20.0
LAST_STEPS = 20


class StopDeadline:
    """Counts from the first of SIGNALS; `heed` ends the counting. For the main thread, once."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque([0.0], maxlen=LAST_STEPS)
        self._began = time.monotonic()
        self._heeded = threading.Event()
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        # The interpreter itself writes there, also while the main thread is in a collective.
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=self._work, args=(reader,), daemon=True).start()

    def step_ended(self) -> None:
        """Note how long the step took."""
        now = time.monotonic()
        self._seconds.append(now - self._began)
        self._began = now

    def heed(self) -> None:
        """All ranks have agreed to stop: what is saved now may take its time."""
        self._heeded.set()

    def _work(self, reader: int) -> None:
        while os.read(reader, 1)[0] not in SIGNALS:
            continue
        patience = max(LEAST_SECONDS, STEPS * max(self._seconds))
        if not self._heeded.wait(patience):
            told = f"train: no step has ended for {patience:.0f} s since a stop was asked for: "
            os.write(2, f"{told}another rank is gone, this one leaves\n".encode())
            os._exit(EXIT_INTERRUPTED)
