"""Which checkpoints are kept: by hand, and by what must hold for every history."""

import random
from typing import Any

import pytest

from dvdgan.guard.ledger import best_in_line, last_healthy, reached
from dvdgan.guard.retention import best_so_far, kept


def judged(step: int, fvd: float, verdict: str = "healthy") -> dict[str, Any]:
    return {"event": "evaluated", "step": step, "metrics": {"FVD": fvd}, "verdict": verdict}


def back(to_step: int) -> dict[str, Any]:
    return {"event": "rolled_back", "to_step": to_step}


HISTORY = [judged(10, 90), judged(20, 50), judged(30, 60), judged(40, 70), judged(50, 65)]
STEPS = [10, 20, 30, 37, 40, 50, 60]


@pytest.mark.parametrize(
    ("last", "every", "wanted"),
    [
        (1, None, {10, 20, 50, 60}),
        (3, None, {10, 20, 40, 50, 60}),
        (1, 15, {10, 20, 30, 50, 60}),
        (100, None, set(STEPS)),
    ],
)
def test_the_newest_the_round_ones_and_the_promoted(
    last: int, every: int | None, wanted: set[int]
) -> None:
    assert kept(HISTORY, STEPS, last, every) == wanted


def test_without_a_ledger_everything_is_kept() -> None:
    assert kept([], STEPS, 1) == set(STEPS)


def test_a_promotion_that_was_rolled_back_is_none() -> None:
    history = [judged(10, 90), judged(20, 50), judged(30, 500, "collapsed"), back(10)]
    assert best_so_far([*history, judged(20, 70), judged(30, 60)]) == {10, 20, 30}
    assert best_so_far(history) == {10}
    assert best_so_far([judged(10, 90, "suspect")]) == set()


def test_what_a_rollback_the_end_or_a_restart_needs_is_never_deleted() -> None:
    draw = random.Random(0)
    for _ in range(300):
        events: list[dict[str, Any]] = []
        for step in range(1, draw.randint(2, 12)):
            verdict = draw.choice(["healthy", "healthy", "suspect", "collapsed"])
            events.append(judged(step, draw.randint(1, 5), verdict))
            if verdict == "collapsed":
                events.append(back(last_healthy(events)))
        steps = range(1, 14)
        wanted = kept(events, steps, draw.randint(1, 3), draw.choice([None, 2, 5]))
        assert wanted <= set(steps)
        assert {best_in_line(events), last_healthy(events)} - {None, 0} <= wanted
        goes_on_from = last_healthy(events) or reached(events)  # of a warm-up the newest is enough
        assert set(range(max(goes_on_from, 1), 14)) <= wanted
