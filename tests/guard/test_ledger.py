"""The run's memory: what a rollback makes invalid, what a crash may leave of it, what is kept."""

import random
from pathlib import Path
from typing import Any

import pytest

from dvdgan.guard import ledger


def evaluated(step: int, fvd: float | None, verdict: str = "healthy") -> dict[str, Any]:
    metrics = {"FID": 1.0, "FVD": fvd, "IS": 2.0}
    return {
        "event": "evaluated",
        "step": step,
        "metrics": metrics,
        "verdict": verdict,
        "reasons": [],
    }


def back(from_step: int, to_step: int) -> dict[str, Any]:
    return rolled_back(to_step) | {"from_step": from_step}


def rolled_back(to_step: int) -> dict[str, Any]:
    return {
        "event": "rolled_back",
        "to_step": to_step,
        "restart_index": 1,
        "learning_rate_scale": 0.5,
        "added_discriminator_steps": 0,
        "reasons": ["FVD too high"],
    }


RUN = [
    evaluated(10, 90.0),
    evaluated(20, 50.0),
    evaluated(30, 60.0),
    evaluated(40, 400.0, "suspect"),
    evaluated(50, None, "collapsed"),
]


def test_last_and_best() -> None:
    assert ledger.last_healthy(RUN) == 30
    assert ledger.best(RUN) == RUN[1]
    assert ledger.last_healthy([]) == 0
    assert ledger.best([evaluated(10, None, "collapsed")]) is None
    assert ledger.best([evaluated(10, 5.0), evaluated(20, 5.0)]) == evaluated(10, 5.0)
    assert ledger.best([evaluated(10, 5.0, "warming_up")]) is None


def test_a_rollback_forgets_what_came_after_it() -> None:
    events = [*RUN, rolled_back(30)]
    assert [event["step"] for event in ledger.evaluations(events)] == [10, 20, 30]
    events += [evaluated(40, 40.0)]
    assert [event["step"] for event in ledger.evaluations(events)] == [10, 20, 30, 40]
    assert (ledger.last_healthy(events), ledger.best_in_line(events)) == (40, 40)
    to_the_start = [evaluated(10, None, "collapsed"), rolled_back(0)]
    assert ledger.evaluations(to_the_start) == []
    assert ledger.last_healthy(to_the_start) == 0
    # What was good is not forgotten, though the run has gone back past it.
    past_the_best = [*RUN, rolled_back(10)]
    assert ledger.best(past_the_best) == RUN[1]
    assert ledger.best_in_line(past_the_best) is None
    assert ledger.best_in_line([*past_the_best, evaluated(20, 30.0)]) == 20


@pytest.mark.parametrize(
    ("later", "saved", "target"),
    [
        ([], {10, 20, 30}, 30),  # the newest healthy one
        ([], {10, 20, 40}, 20),  # that is still there
        ([], set(), 0),
        ([back(40, 30), evaluated(40, None, "collapsed")], {10, 20, 30}, 20),  # the same again
        ([back(40, 30), evaluated(35, 70.0)], {10, 20, 30, 35}, 20),  # and not beyond it
        ([back(40, 30), evaluated(40, 70.0)], {10, 20, 30, 40}, 40),  # got past it
        ([back(40, 30), back(40, 20), evaluated(40, None, "collapsed")], {10, 20}, 10),
        ([back(40, 30), back(40, 10), evaluated(40, None, "collapsed")], {10}, 0),
        ([back(40, 0), evaluated(10, 70.0), evaluated(20, None, "collapsed")], {10}, 10),
    ],
)
def test_a_rollback_goes_back_further_each_time_it_lands_on_the_same_collapse(
    later: list[dict[str, Any]], saved: set[int], target: int
) -> None:
    assert ledger.rollback_step([*RUN, *later], saved) == target


def test_events_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    assert ledger.read(path) == []
    for event in RUN:
        ledger.append(path, event)
    assert ledger.read(path) == RUN


@pytest.mark.parametrize("kept", [1, 30, -1])
def test_a_line_cut_off_by_a_crash_is_forgotten_and_overwritten(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "ledger.jsonl"
    for event in RUN[:2]:
        ledger.append(path, event)
    whole = path.read_bytes()
    ledger.append(path, RUN[2])
    torn = path.read_bytes()[len(whole) :][:kept]
    path.write_bytes(whole + torn)
    assert ledger.read(path) == RUN[:2]
    ledger.append(path, RUN[3])
    ledger.append(path, RUN[4])
    assert ledger.read(path) == [*RUN[:2], *RUN[3:]]


def test_numbers_that_are_not_finite_do_not_get_in(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        ledger.append(tmp_path / "ledger.jsonl", evaluated(1, float("nan")))
    assert ledger.read(tmp_path / "ledger.jsonl") == []


def test_events_as_lines() -> None:
    assert ledger.describe(RUN[1]) == "step 20: FID 1, FVD 50, IS 2, healthy"
    assert ledger.describe(RUN[4]) == "step 50: FID 1, IS 2, collapsed"
    line = ledger.describe(rolled_back(30))
    assert line == "back to step 30, learning rates x 0.5, new seeds: FVD too high"
    line = ledger.describe(rolled_back(0))
    assert line.startswith("back to the beginning, new weights, learning rates x 0.5")
    early = {"event": "ended_early", "step": 20, "reached": 50, "reasons": ["after 1 rollbacks"]}
    line = ledger.describe(early)
    assert line == "ended early at step 50; the best checkpoint is step 20: after 1 rollbacks"
    assert "warming up" in ledger.describe(evaluated(10, 9.0, "warming_up"))


HISTORY = [
    evaluated(10, 90),
    evaluated(20, 50),
    evaluated(30, 60),
    evaluated(40, 70),
    evaluated(50, 65),
]
STEPS = [10, 20, 30, 37, 40, 50, 60]


@pytest.mark.parametrize(
    ("last", "every", "expected"),
    [
        (1, None, {10, 20, 50, 60}),
        (3, None, {10, 20, 40, 50, 60}),
        (1, 15, {10, 20, 30, 50, 60}),
        (100, None, set(STEPS)),
    ],
)
def test_the_newest_the_best_so_far_and_every_nth_are_kept(
    last: int, every: int | None, expected: set[int]
) -> None:
    assert ledger.kept(HISTORY, STEPS, last, every) == expected


def test_without_a_ledger_everything_is_kept() -> None:
    assert ledger.kept([], STEPS, 1) == set(STEPS)


def test_the_best_so_far_is_none_once_rolled_back() -> None:
    history = [
        evaluated(10, 90),
        evaluated(20, 50),
        evaluated(30, 500, "collapsed"),
        rolled_back(10),
    ]
    assert ledger.best_so_far([*history, evaluated(20, 70), evaluated(30, 60)]) == {10, 20, 30}
    assert ledger.best_so_far(history) == {10}
    assert ledger.best_so_far([evaluated(10, 90, "suspect")]) == set()


def test_what_a_rollback_the_end_or_a_restart_needs_is_never_deleted() -> None:
    rng = random.Random(0)
    for _ in range(300):
        events: list[dict[str, Any]] = []
        for step in range(1, rng.randint(2, 12)):
            verdict = rng.choice(["healthy", "healthy", "suspect", "collapsed"])
            events.append(evaluated(step, rng.randint(1, 5), verdict))
            if verdict == "collapsed":
                events.append(rolled_back(ledger.last_healthy(events)))
        steps = range(1, 14)
        expected = ledger.kept(events, steps, rng.randint(1, 3), rng.choice([None, 2, 5]))
        assert expected <= set(steps)
        assert {ledger.best_in_line(events), ledger.last_healthy(events)} - {None, 0} <= expected
        goes_on_from = ledger.last_healthy(events) or ledger.reached(
            events
        )  # of a warm-up the newest is enough
        assert set(range(max(goes_on_from, 1), 14)) <= expected
