"""Progress for long work: one live line on a terminal, a plain line every few seconds elsewhere."""

import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

ItemT = TypeVar("ItemT")

SECONDS_BETWEEN_LINES = 10.0
# The rate is that of about the last minute: a pause is forgotten a minute after its end.
WINDOW_SECONDS = 60.0
SECONDS_BETWEEN_SAMPLES = 2.0

MINUTE, HOUR, DAY = 60, 3600, 86400


class Progress:
    """Counts finished units of work (videos, clips, steps) and shows them.

    ``total`` and ``start`` are counts of ``unit``; a resumed run passes its ``start``.
    """

    def __init__(self, label: str, total: int, unit: str, start: int = 0) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = start
        self.note = ""
        self._last_line = time.monotonic()
        self._samples = deque([(self._last_line, start)])
        self._bar = (
            tqdm(
                desc=label,
                total=total,
                initial=start,
                dynamic_ncols=True,
                bar_format="{desc}: {percentage:3.0f}% |{bar:10}|{postfix}",
            )
            if sys.stderr.isatty()
            else None
        )

    @property
    def rate(self) -> float:
        """Units a second, of late; 0 while it is not known."""
        began, already = self._samples[0]
        elapsed = time.monotonic() - began
        return (self.done - already) / elapsed if elapsed > 0 else 0.0

    def advance(self, count: int = 1, note: str = "") -> None:
        """Add ``count`` finished units; ``note`` (losses, rates) is shown behind the count."""
        self.done += count
        self.note = note
        now = time.monotonic()
        self._sample(now)
        if self._bar is not None:
            self._bar.set_postfix_str(self._text(), refresh=False)
            self._bar.update(count)
        elif now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            self._print_line()

    def close(self) -> None:
        """End the live line, or print the last plain one."""
        if self._bar is not None:
            self._bar.close()
        else:
            self._print_line()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _sample(self, now: float) -> None:
        if now - self._samples[-1][0] < SECONDS_BETWEEN_SAMPLES:
            return
        self._samples.append((now, self.done))
        while len(self._samples) > 2 and self._samples[0][0] < now - WINDOW_SECONDS:
            self._samples.popleft()

    def _text(self) -> str:
        rate = self.rate
        parts = [f"{self.done:,}/{self.total:,} {self.unit}"]
        if rate > 0:
            parts.append(f"{number(rate)}/s")
            if self.done < self.total:
                parts.append(f"{duration((self.total - self.done) / rate)} left")
        return ", ".join([*parts, self.note] if self.note else parts)

    def _print_line(self) -> None:
        print(f"{self.label}: {self._text()}", file=sys.stderr, flush=True)


def track(items: Iterable[ItemT], label: str, total: int, unit: str) -> Iterator[ItemT]:
    """Yield ``items``, showing how many of ``total`` are done."""
    with Progress(label, total, unit) as progress:
        for item in items:
            yield item
            progress.advance()


def number(value: float) -> str:
    """Three digits, or all whole ones: 0.0512, 52.3, 1,234."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """Seconds in the usual units: 40 s, 12 min, 3 h 12 min, 2 d 5 h."""
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    minutes = round(seconds / MINUTE)
    if seconds < HOUR:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if seconds < DAY:
        return f"{hours} h {minutes} min"
    days, hours = divmod(round(seconds / HOUR), 24)
    return f"{days} d {hours} h"
