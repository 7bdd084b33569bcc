"""Tasks in processes of their own: a few are handed out ahead, and none is started for nothing."""

from concurrent.futures import Future

import pytest

from dvdgan.data import workers
from dvdgan.data.workers import run_isolated


def test_few_tasks_are_handed_out_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"n{number}" for number in range(100)]
    waiting = []

    def counting_wait(running: dict[Future[str], str], return_when: str) -> object:
        waiting.append(len(running))
        return wait(running, return_when=return_when)

    wait = workers.wait
    monkeypatch.setattr(workers, "wait", counting_wait)
    found = {name: future.result() for name, future in run_isolated(str.upper, names, 60, 2)}
    assert found == {name: name.upper() for name in names}
    assert max(waiting) == 2 * workers.AHEAD


def test_no_process_is_started_for_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(workers, "worker_pool")
    assert list(run_isolated(str.upper, [], timeout_s=60, workers=2)) == []
