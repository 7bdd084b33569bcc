"""Which checkpoint is evaluated, what is kept of it, and when it is not good enough."""

import os
from pathlib import Path
from typing import Any

import pytest

from dvdgan.errors import UserError
from dvdgan.guard import ledger
from dvdgan.guard.run_folder import RunFolder, write_manifest
from dvdgan.storage.local import write_json
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


def keyed(clips: int, step: int, fvd: float) -> history.Record:
    """A record whose numbers have the keys of metrics.json."""
    key, drift = f"FVD[self_trained,{clips},1a2b3c4d]", f"drifted[self_trained,{clips},5e6f7a8b]"
    names = {key: f"FVD[self_trained: small_i3d, {clips} clips]", drift: "drifted[in full]"}
    more = {"metrics": {key: fvd}, "names": names, "drift_key": drift}
    return FOUND | {"step": step} | more


def test_numbers_of_other_counts_have_a_curve_and_a_column_of_their_own() -> None:
    """And so have those of records of an older version, whose counts nobody knows."""
    records = [FOUND, keyed(64, 30, 90.0), keyed(256, 40, 30.0), keyed(256, 50, 20.0)]
    text = history.page(records)
    assert "20 to 30, now 20" in text
    assert "90 to 90, now 90" in text and "100 to 100, now 100" in text
    assert "small_i3d, 256 clips" in text
    heads = [head.partition("\n")[0].partition("<")[0] for head in text.split("<th>")[1:]]
    assert heads == [
        *("at", "run", "step", "FVD", "FID", "IS", "drifted"),
        *("FVD[self_trained,64,1a2b3c4d]", "drifted[self_trained,64,5e6f7a8b]"),
        *("FVD[self_trained,256,1a2b3c4d]", "drifted[self_trained,256,5e6f7a8b]"),
    ]


def test_limits_are_of_the_bare_metrics(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"FVD is 90, above the 50 \(max_fvd\)"):
        check(keyed(64, 30, 90.0), **NO_LIMITS | {"max_fvd": 50.0})
    assert "FVD 90, drifted 25%" in history.described(keyed(64, 30, 90.0))


def test_a_record_has_the_keys_of_metrics_json(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    metric = {"value": 3.5, "name": "FVD[in full]", "protocol": {"clips": 64}}
    measured = {"generated": {"FVD[self_trained,64,1a2b3c4d]": metric}}
    write_json(tree / "artifacts/evaluate/metrics.json", measured)
    drift = {"share": 0.5, "key": "drifted[self_trained,64,5e6f7a8b]", "name": "drifted[in full]"}
    write_json(tree / "artifacts/monitor/summary.json", drift)
    found = history.record(tmp_path, "abc", 20, tree)
    assert history.numbers(found) == {"FVD[self_trained,64,1a2b3c4d]": 3.5, drift["key"]: 0.5}
    assert history.value_of(found, "FVD") == 3.5
    assert "FVD[in full]" in (tmp_path / history.PAGE).read_text(encoding="utf-8")


def test_a_checkpoint_is_found_again_in_the_history(tmp_path: Path) -> None:
    assert history.recorded(tmp_path, "abc", 20) is None
    (tmp_path / history.LINES).parent.mkdir(parents=True)
    ledger.append(tmp_path / history.LINES, FOUND)
    assert history.recorded(tmp_path, "abc", 20) == FOUND
    assert history.recorded(tmp_path, "abc", 30) is None
    assert list(history.last_of(tmp_path, 5)) == ["2026-01-02T03:04:05+00:00 abc step 20"]
