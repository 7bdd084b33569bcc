"""Worker processes of their own for files that may crash or hang a decoder."""

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from itertools import islice
from multiprocessing import active_children, get_context, resource_tracker
from multiprocessing.process import BaseProcess
from typing import TypeVar

from pebble import ProcessPool

from dvdgan.guard.parent_death_signal import set_parent_death_signal

# Tasks handed out per worker.
AHEAD = 4

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


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
        # Ctrl-C reaches every process of a terminal's group, but is handled by the parent.
        # Workers, and the threads that replace them, inherit the mask of the thread that starts
        # the pool.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            if not pool.active:  # this starts it
                raise RuntimeError("the worker processes could not be started")
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        yield pool
    finally:
        # Everything is done, or an error or a signal makes the rest pointless. Stopping the pool
        # takes its semaphores away first: a worker that is still starting would miss them and print
        # a traceback.
        _kill(set(active_children()) - others)
        pool.stop()  # type: ignore[no-untyped-call]
        # An exception that a signal raises inside Queue.put leaves the queue with a waiter that is
        # gone, which takes the next notification: the scheduler was seen to wait for ever with
        # the one sentinel that join puts there. The second one wakes it.
        pool._context.task_queue.put(None)
        pool.join()
        _kill(set(active_children()) - others)


def run_isolated(
    task: Callable[[ItemT], ResultT], items: Sequence[ItemT], timeout_s: float, workers: int
) -> Iterator[tuple[ItemT, "Future[ResultT]"]]:
    """Run ``task`` on each item in ``workers`` processes; yield item and future as they finish.

    No process is started where there is no item.
    """
    if not items:
        return
    rest = iter(items)
    running: dict[Future[ResultT], ItemT] = {}
    with worker_pool(min(workers, len(items))) as pool:
        while True:
            # A few ahead keep the workers busy; all at once would fill the memory.
            for item in islice(rest, AHEAD * workers - len(running)):
                running[pool.schedule(task, args=(item,), timeout=timeout_s)] = item
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future


def _kill(processes: set[BaseProcess]) -> None:
    for process in processes:
        process.kill()
        process.join()
