"""Which checkpoint is evaluated, what is kept of it, and when it is not good enough."""

import os
from pathlib import Path
from typing import Any

import pytest

from dvdgan.errors import UserError
from dvdgan.guard import ledger
from dvdgan.guard.run_folder import RunFolder, seal
from flows import history
from flows.candidate import find_candidate
from flows.evaluate import check

FOUND = {
    "at": "2026-01-02T03:04:05+00:00",
    "run": "abc",
    "step": 20,
    "metrics": {"FVD": 100.0, "FID": 20.0, "IS": 3.0},
    "drifted": 0.25,
    "tree": ".runs/evaluate/abc-step-00000020",
}
NO_LIMITS: dict[str, Any] = dict.fromkeys(("max_fvd", "max_fid", "min_is", "max_drifted"))


def judged(step: int, fvd: float, verdict: str = "healthy") -> ledger.Event:
    event = {"event": "evaluated", "step": step, "verdict": verdict, "reasons": [], "attempt": 0}
    return event | {"metrics": {"FVD": fvd}}


def a_run(folder: Path, name: str, *events: ledger.Event) -> RunFolder:
    run = RunFolder(folder / ".runs/train" / name)
    for step in (10, 20, 30):
        run.checkpoint(step).mkdir(parents=True)
        seal(run.checkpoint(step))
    for event in events:
        ledger.append(run.ledger, event)
    return run


def test_the_newest_promoted_checkpoint_of_the_run_judged_last(tmp_path: Path) -> None:
    assert find_candidate(tmp_path, None, None) is None
    new = a_run(tmp_path, "new", judged(10, 9.0), judged(20, 5.0), judged(30, 7.0))
    old = a_run(tmp_path, "old", judged(30, 1.0))
    os.utime(old.ledger, (1, 1))
    found = find_candidate(tmp_path, None, None)
    assert found is not None and (found.run, found.step) == (new, 20)
    found = find_candidate(tmp_path, "old", None)
    assert found is not None and (found.run, found.step) == (old, 30)
    found = find_candidate(tmp_path, "new", 10)  # promoted when it was judged
    assert found is not None and found.step == 10


def test_a_run_without_promotions_is_passed_over(tmp_path: Path) -> None:
    good = a_run(tmp_path, "good", judged(10, 9.0))
    os.utime(good.ledger, (1, 1))
    a_run(tmp_path, "collapsed", judged(10, 9.0, "collapsed"))
    found = find_candidate(tmp_path, None, None)
    assert found is not None and found.run == good


def test_a_step_that_is_not_promoted_is_refused(tmp_path: Path) -> None:
    a_run(tmp_path, "run", judged(10, 9.0), judged(20, 10.0))
    with pytest.raises(UserError, match="step 20 is no promoted checkpoint"):
        find_candidate(tmp_path, "run", 20)


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ({"max_fvd": 99.0}, r"FVD is 100, above the 99 \(max_fvd\)"),
        ({"max_fid": 19.5}, r"FID is 20, above the 19.5 \(max_fid\)"),
        ({"min_is": 3.5}, r"IS is 3, below the 3.5 \(min_is\)"),
        ({"max_drifted": 0.2}, r"drifted columns is 0.25, above the 0.2 \(max_drifted\)"),
    ],
)
def test_a_number_worse_than_allowed_is_named(limit: dict[str, float], told: str) -> None:
    with pytest.raises(UserError, match=told):
        check(FOUND, **NO_LIMITS | limit)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(UserError, match=r"step 20 of run abc.*FVD.*; IS"):
        check(FOUND, **NO_LIMITS | {"max_fvd": 1.0, "min_is": 9.0})


def test_what_just_keeps_the_limits_is_good_enough() -> None:
    check(FOUND, max_fvd=100.0, max_fid=20.0, min_is=3.0, max_drifted=0.25)
    check(FOUND, **NO_LIMITS)


def test_a_number_that_is_not_finite_is_not_good_enough() -> None:
    found = FOUND | {"metrics": {"FVD": None}}
    with pytest.raises(UserError, match="FVD is not finite"):
        check(found, **NO_LIMITS | {"max_fvd": 1e9})
    check(found, **NO_LIMITS)


def test_the_page_shows_every_number_of_every_evaluation() -> None:
    worse = FOUND | {"step": 30, "metrics": {"FVD": 200.0, "FID": None, "IS": 3.0}}
    text = history.page([FOUND, worse])
    assert "100 to 200, now 200" in text
    assert 'points="0.0,80.0 240.0,0.0"' in text  # FVD, from the lowest to the highest
    assert text.count("<tr>") == 3
    assert "http" not in text  # it loads nothing


def test_a_checkpoint_is_found_again_in_the_history(tmp_path: Path) -> None:
    assert history.recorded(tmp_path, "abc", 20) is None
    (tmp_path / history.LINES).parent.mkdir(parents=True)
    ledger.append(tmp_path / history.LINES, FOUND)
    assert history.recorded(tmp_path, "abc", 20) == FOUND
    assert history.recorded(tmp_path, "abc", 30) is None
    assert list(history.last_of(tmp_path, 5)) == ["2026-01-02T03:04:05+00:00 abc step 20"]
