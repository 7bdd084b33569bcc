"""Which checkpoint is evaluated, what is kept of it, and when it is not good enough."""

import logging
import os
from pathlib import Path
from typing import Any

import pytest
from prefect.logging import disable_run_logger

from dvdgan.errors import UserError
from dvdgan.guard import ledger
from dvdgan.guard.run_folder import RunFolder, write_manifest
from dvdgan.storage.local import write_json
from flows import history
from flows.evaluate import check
from flows.evaluation_target import find_target

ENTRY = {
    "at": "2026-01-02T03:04:05+00:00",
    "run": "abc",
    "step": 20,
    "metrics": {"FVD": 100.0, "FID": 20.0, "IS": 3.0},
    "drifted": 0.25,
    "tree": ".runs/evaluate/abc-step-00000020",
}
NO_LIMITS: dict[str, Any] = dict.fromkeys(("max_fvd", "max_fid", "min_is", "max_drifted"))


def judged(step: int, fvd: float, verdict: str = "healthy") -> ledger.Event:
    event = {
        "event": "evaluated",
        "step": step,
        "verdict": verdict,
        "reasons": [],
        "restart_index": 0,
    }
    return event | {"metrics": {"FVD": fvd}}


def a_run(folder: Path, name: str, *events: ledger.Event) -> RunFolder:
    run = RunFolder(folder / ".runs/train" / name)
    for step in (10, 20, 30):
        run.checkpoint(step).mkdir(parents=True)
        write_manifest(run.checkpoint(step))
    for event in events:
        ledger.append(run.ledger, event)
    return run


def test_the_newest_best_checkpoint_of_the_run_judged_last(tmp_path: Path) -> None:
    assert find_target(tmp_path, None, None) is None
    new = a_run(tmp_path, "new", judged(10, 9.0), judged(20, 5.0), judged(30, 7.0))
    old = a_run(tmp_path, "old", judged(30, 1.0))
    os.utime(old.ledger, (1, 1))
    found = find_target(tmp_path, None, None)
    assert found is not None and (found.run, found.step) == (new, 20)
    found = find_target(tmp_path, "old", None)
    assert found is not None and (found.run, found.step) == (old, 30)
    found = find_target(tmp_path, "new", 10)  # the best when it was judged
    assert found is not None and found.step == 10


def test_a_run_without_a_best_checkpoint_is_passed_over(tmp_path: Path) -> None:
    good = a_run(tmp_path, "good", judged(10, 9.0))
    os.utime(good.ledger, (1, 1))
    a_run(tmp_path, "collapsed", judged(10, 9.0, "collapsed"))
    found = find_target(tmp_path, None, None)
    assert found is not None and found.run == good


def test_a_step_that_was_never_the_best_is_refused(tmp_path: Path) -> None:
    a_run(tmp_path, "run", judged(10, 9.0), judged(20, 10.0))
    with pytest.raises(UserError, match="step 20 was never the best checkpoint"):
        find_target(tmp_path, "run", 20)


@pytest.mark.parametrize(
    ("limit", "problem"),
    [
        ({"max_fvd": 99.0}, r"FVD is 100, above the 99 \(max_fvd\)"),
        ({"max_fid": 19.5}, r"FID is 20, above the 19.5 \(max_fid\)"),
        ({"min_is": 3.5}, r"IS is 3, below the 3.5 \(min_is\)"),
        ({"max_drifted": 0.2}, r"drifted columns is 0.25, above the 0.2 \(max_drifted\)"),
    ],
)
def test_a_number_worse_than_allowed_is_named(limit: dict[str, float], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        check(ENTRY, **NO_LIMITS | limit)


def test_all_that_is_wrong_is_in_one_message() -> None:
    with pytest.raises(UserError, match=r"step 20 of run abc.*FVD.*; IS"):
        check(ENTRY, **NO_LIMITS | {"max_fvd": 1.0, "min_is": 9.0})


def test_what_just_keeps_the_limits_is_good_enough() -> None:
    check(ENTRY, max_fvd=100.0, max_fid=20.0, min_is=3.0, max_drifted=0.25)
    check(ENTRY, **NO_LIMITS)


def test_a_number_that_is_not_finite_is_not_good_enough() -> None:
    found = ENTRY | {"metrics": {"FVD": None}}
    with pytest.raises(UserError, match="FVD is not finite"):
        check(found, **NO_LIMITS | {"max_fvd": 1e9})
    check(found, **NO_LIMITS)


def keyed(clips: int, step: int, fvd: float) -> history.EvaluationEntry:
    """An entry whose numbers have the keys of results.json."""
    key, drift = f"FVD[self_trained,{clips},1a2b3c4d]", f"drifted[self_trained,{clips},5e6f7a8b]"
    names = {key: f"FVD[self_trained: small_i3d, {clips} clips]", drift: "drifted[in full]"}
    more = {"metrics": {key: fvd}, "names": names, "drift_key": drift}
    return ENTRY | {"step": step} | more


def test_limits_are_of_the_bare_metrics(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"FVD is 90, above the 50 \(max_fvd\)"):
        check(keyed(64, 30, 90.0), **NO_LIMITS | {"max_fvd": 50.0})
    assert "FVD 90, drifted 25%" in history.describe(keyed(64, 30, 90.0))


def test_an_entry_has_the_keys_of_results_json(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    metric = {"value": 3.5, "name": "FVD[in full]", "protocol": {"clips": 64}}
    measured = {"generated": {"FVD[self_trained,64,1a2b3c4d]": metric}}
    write_json(tree / "artifacts/evaluate/results.json", measured)
    drift = {"share": 0.5, "key": "drifted[self_trained,64,5e6f7a8b]", "name": "drifted[in full]"}
    write_json(tree / "artifacts/monitor/summary.json", drift)
    found = history.add_entry(tmp_path, "abc", 20, tree)
    assert history.numbers(found) == {"FVD[self_trained,64,1a2b3c4d]": 3.5, drift["key"]: 0.5}
    assert history.value_of(found, "FVD") == 3.5


def test_a_checkpoint_is_found_again_in_the_history(tmp_path: Path) -> None:
    assert history.find_entry(tmp_path, "abc", 20) is None
    (tmp_path / history.LINES).parent.mkdir(parents=True)
    ledger.append(tmp_path / history.LINES, ENTRY)
    assert history.find_entry(tmp_path, "abc", 20) == ENTRY
    assert history.find_entry(tmp_path, "abc", 30) is None
    assert list(history.newest_rows(tmp_path, 5)) == ["2026-01-02T03:04:05+00:00 abc step 20"]


def test_a_table_has_bare_names_where_all_its_numbers_compare(tmp_path: Path) -> None:
    (tmp_path / history.LINES).parent.mkdir(parents=True)
    for step, fvd in ((10, 90.0), (20, 80.0)):
        ledger.append(tmp_path / history.LINES, keyed(64, step, fvd))
    newest = {"FVD": 80.0, "drifted": 0.25}
    assert next(iter(history.newest_rows(tmp_path, 5).values())) == newest
    ledger.append(tmp_path / history.LINES, keyed(32, 30, 70.0))
    rows = [*history.newest_rows(tmp_path, 2).values()]
    assert [row.keys() for row in rows] == [
        {f"FVD[self_trained,{clips},1a2b3c4d]", f"drifted[self_trained,{clips},5e6f7a8b]"}
        for clips in (32, 64)
    ]


def test_where_evidently_fails_the_entry_is_kept_and_a_warning_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "evidently.py").write_text("raise ImportError('evidently is broken')")
    (tmp_path / history.LINES).parent.mkdir(parents=True)
    ledger.append(tmp_path / history.LINES, ENTRY)
    monkeypatch.setattr(history, "get_run_logger", lambda: logging.getLogger("run"))
    with disable_run_logger(), caplog.at_level(logging.WARNING, "run"):
        history.update_workspace(tmp_path)
    assert [line.levelname for line in caplog.records if line.name == "run"] == ["WARNING"]
    assert "evidently is broken" in caplog.text
    assert history.find_entry(tmp_path, "abc", 20) == ENTRY
    with disable_run_logger():  # repaired: the next update adds it
        (tmp_path / "evidently.py").unlink()
        history.update_workspace(tmp_path)
    assert len(list((tmp_path / history.WORKSPACE).glob("*/snapshots/*.json"))) == 1
