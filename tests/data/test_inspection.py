"""A decoder that dies or hangs costs one file; the others keep their results."""

import os
import signal
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from dvdgan.data import inspection
from dvdgan.data.inspection import Limits, inspect_all, run_isolated
from dvdgan.data.refusal import Refusal, Refused
from dvdgan.data.scan import FoundVideo

LIMITS = Limits(min_short_side=32, max_pixels=10**6, clip_frames=12, clip_stride=1)


def behave(kind: str) -> str:
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "hang":
        time.sleep(600)
    if kind == "bug":
        raise ZeroDivisionError(kind)
    return kind.upper()


def behave_as_file(candidate: FoundVideo, root: Path, limits: Limits) -> Refused:
    return Refused(behave(candidate.path), Refusal.DAMAGED, "")


def files(*names: str) -> list[FoundVideo]:
    return [FoundVideo(name, "class", size=1, mtime_ns=1) for name in names]


def test_crashes_and_hangs_are_contained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "inspect", behave_as_file)
    candidates = files("a", "crash", "b", "hang", "c")
    outcomes = dict(inspect_all(candidates, Path(), LIMITS, timeout_s=2, workers=2))
    assert [outcomes[candidate] for candidate in candidates] == [
        Refused("A", Refusal.DAMAGED, ""),
        Refused("crash", Refusal.DECODER_CRASHED, "the decoder died (exit code -11)"),
        Refused("B", Refusal.DAMAGED, ""),
        Refused("hang", Refusal.TIMED_OUT, "not probed within 2 s"),
        Refused("C", Refusal.DAMAGED, ""),
    ]


def test_a_bug_is_not_taken_for_a_bad_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "inspect", behave_as_file)
    with pytest.raises(ZeroDivisionError):
        list(inspect_all(files("a", "bug"), Path(), LIMITS, timeout_s=60, workers=1))


def test_few_files_are_handed_out_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"n{number}" for number in range(100)]
    waiting = []

    def watch(running: dict[Future[str], str], return_when: str) -> object:
        waiting.append(len(running))
        return wait(running, return_when=return_when)

    wait = inspection.wait
    monkeypatch.setattr(inspection, "wait", watch)
    found = {name: future.result() for name, future in run_isolated(behave, names, 60, 2)}
    assert found == {name: name.upper() for name in names}
    assert max(waiting) == 2 * inspection.AHEAD


def test_no_process_is_started_for_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(inspection, "worker_pool")
    assert list(run_isolated(behave, [], timeout_s=60, workers=2)) == []
