"""Worker processes of their own for files that may crash or hang a decoder."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children, get_context, resource_tracker
from multiprocessing.process import BaseProcess

from pebble import ProcessPool

from dvdgan.guard.parent_death_signal import set_parent_death_signal


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPool]:
    """``workers`` processes that live no longer than the block, however it or this process ends.

    A task that crashes its process raises pebble's ProcessExpired, a task past its timeout
    TimeoutError, each from its own future; the process is replaced.
    """
    # A fresh interpreter each: forking would copy locks that other threads may hold.
    context, others = get_context("spawn"), set(active_children())
    # Python would start it together with the first worker, and unblock SIGINT behind our back.
    resource_tracker.ensure_running()
    pool = ProcessPool(
        workers, context=context, initializer=set_parent_death_signal, initargs=(signal.SIGKILL,)
    )
    try:
        # Ctrl-C reaches every process of a terminal's group, but is for the parent to answer.
        # Workers, and the threads that replace them, inherit the mask of the thread that starts
        # the pool.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            if not pool.active:  # asking starts it
                raise RuntimeError("the worker processes do not start")
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        yield pool
    finally:
        # Everything is done, or an error or a signal makes the rest pointless. Stopping the pool
        # takes its semaphores away first: a worker that is still starting would miss them and print
        # a traceback.
        _kill(set(active_children()) - others)
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()
        _kill(set(active_children()) - others)


def _kill(processes: set[BaseProcess]) -> None:
    for process in processes:
        process.kill()
        process.join()
