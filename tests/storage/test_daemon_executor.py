"""Tasks run in daemon threads, a few at a time; their results and errors come back."""

import threading
import time

import pytest

from dvdgan.storage.daemon_executor import DaemonExecutor


def test_results_and_errors_come_back() -> None:
    with DaemonExecutor(2) as executor:
        assert executor.submit(divmod, 7, 2).result(10) == (3, 1)
        failed = executor.submit(divmod, 1, 0)
        with pytest.raises(ZeroDivisionError):
            failed.result(10)
        assert list(executor.map(str, range(20))) == [str(number) for number in range(20)]


def test_no_more_tasks_run_at_a_time_than_it_has_workers() -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def task() -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1
        return threading.current_thread().daemon

    with DaemonExecutor(3) as executor:
        tasks = [executor.submit(task) for _ in range(12)]
    assert all(each.result(0) for each in tasks)  # leaving the block has waited for them
    assert most == 3


def test_a_task_that_is_cancelled_before_it_begins_never_runs() -> None:
    gate, ran = threading.Event(), []
    with DaemonExecutor(1) as executor:
        executor.submit(gate.wait)
        later = executor.submit(ran.append, 1)
        assert later.cancel()
        gate.set()
    assert ran == []
