"""Progress for long work: one live bar on a terminal, a plain line every few seconds elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts finished units of work (videos, clips, steps) and shows them.

    ``total`` and ``start`` are counts of ``unit``; a resumed run passes its ``start``.
    """

    def __init__(self, label: str, total: int, unit: str, start: int = 0) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = self.start = start
        self.note = ""
        self._began = self._last_line = time.monotonic()
        self._bar = (
            tqdm(desc=label, total=total, initial=start, unit=f" {unit}", dynamic_ncols=True)
            if sys.stderr.isatty()
            else None
        )

    def advance(self, count: int = 1, note: str = "") -> None:
        """Add ``count`` finished units; ``note`` (losses, rates) is shown behind the count."""
        self.done += count
        self.note = note
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(count)
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._print_line()

    def close(self) -> None:
        """End the bar, or print the last plain line."""
        if self._bar is not None:
            self._bar.close()
        else:
            self._print_line()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _print_line(self) -> None:
        now = time.monotonic()
        self._last_line = now
        rate = (self.done - self.start) / max(now - self._began, 1e-9)
        left = (self.total - self.done) / rate if rate > 0 else float("inf")
        ending = f", {left:.0f} s left" if 0 < left < float("inf") else ""
        note = f"  {self.note}" if self.note else ""
        line = f"{self.label}: {self.done}/{self.total} {self.unit}, {rate:.3g}/s{ending}{note}"
        print(line, file=sys.stderr, flush=True)


def track(items: Iterable[Item], label: str, total: int, unit: str) -> Iterator[Item]:
    """Yield ``items``, showing how many of ``total`` are done."""
    with Progress(label, total, unit) as progress:
        for item in items:
            yield item
            progress.advance()
