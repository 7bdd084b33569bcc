"""Loader processes that share no lock with the trainer.

Python's own event has one: a process killed while it holds that (torch's workers look at their
event before every batch) would stop the trainer, and whoever asks it to end, for ever.
"""

import ctypes
from multiprocessing.context import ForkContext
from multiprocessing.sharedctypes import RawValue


class LockFreeEvent:
    """A byte that all forked processes share. torch's loader sets it and looks, and never waits."""

    def __init__(self) -> None:
        self._byte = RawValue(ctypes.c_bool, False)

    def is_set(self) -> bool:
        return self._byte.value

    def set(self) -> None:
        self._byte.value = True


class LoaderContext(ForkContext):
    """What torch's DataLoader makes its processes, queues and event with."""

    def Event(self) -> LockFreeEvent:  # type: ignore[override]  # noqa: N802
        return LockFreeEvent()
