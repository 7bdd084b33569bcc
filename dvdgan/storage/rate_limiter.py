"""A limit on bytes per second."""

import time
from collections.abc import Callable


class RateLimiter:
    """Delays transfers, so that on average no more than a limit of bytes pass a second.

    Unused time is not saved up: after a pause there is no burst.
    """

    def __init__(
        self,
        bytes_per_second: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.bytes_per_second = bytes_per_second
        self._clock, self._sleep = clock, sleep
        self._free_at = 0.0

    def take(self, count: int) -> None:
        """Account for ``count`` bytes about to be transferred; sleeps until those before them have
        used their time."""
        if self.bytes_per_second is None:
            return
        now = self._clock()
        begin = max(self._free_at, now)
        self._free_at = begin + count / self.bytes_per_second
        if begin > now:
            self._sleep(begin - now)
