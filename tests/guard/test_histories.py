"""How often the guard is right on recorded runs: docs/collapse_runs.md describes them."""

from pathlib import Path

import pytest
from histories import HEALTHY, NEVER, NONE, SPLITS, History, read

from dvdgan.config import load_config
from dvdgan.config.guard import Guard

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"

# Evaluation periods within which a collapse is to be known.
PERIODS = 2

# One more is a step back; one less: take it off the list.
FALSE_ALARMS = {"held-out-c"}  # nothing was done to it, yet its samples begin to flicker
# Runs on real videos that drift away from their best, to a quarter of the untrained one's FVD.
MISSED = {"held-out-long-11", "held-out-long-12"}


@pytest.fixture(scope="module")
def guard() -> Guard:
    return load_config(PARAMS).train.guard


@pytest.fixture(scope="module")
def held_out() -> list[History]:
    return read("held_out")


def late(histories: list[History], guard: Guard, since: str) -> set[str]:
    """Those that collapse and are not known PERIODS after their ``onset``, or ``shown``."""
    found = set()
    for each in histories:
        noticed = each.noticed(guard)
        deadline = getattr(each, since) + PERIODS * each.period
        if noticed is None or noticed > deadline:
            found.add(each.name)
    return found


def collapsing(histories: list[History], hard: bool) -> list[History]:
    """Of an injected fault."""
    return [each for each in histories if each.collapses and each.injected and each.hard == hard]


@pytest.mark.parametrize("split", SPLITS)
def test_every_hard_failure_is_known_in_time(split: str, guard: Guard) -> None:
    assert late(collapsing(read(split), hard=True), guard, "onset") == set()


def test_other_collapses_are_known_soon_after_they_show(
    held_out: list[History], guard: Guard
) -> None:
    # Not after their onset: bad data take a while to spoil anything.
    assert late(collapsing(held_out, hard=False), guard, "shown") == set()
    assert late(collapsing(read("fit"), hard=False), guard, "shown") == set()


@pytest.mark.parametrize(("split", "known"), [("fit", set()), ("held_out", FALSE_ALARMS)])
def test_healthy_runs_are_not_called_collapsed(split: str, known: set[str], guard: Guard) -> None:
    healthy = [each for each in read(split) if each.kind == HEALTHY and each.harm == NONE]
    assert {each.name for each in healthy if each.noticed(guard) is not None} == known


@pytest.mark.parametrize("split", SPLITS)
def test_no_run_is_called_collapsed_before_its_fault(split: str, guard: Guard) -> None:
    for each in read(split):
        noticed = each.noticed(guard) if each.injected else None
        assert not each.onset or noticed is None or noticed >= each.onset, each.name


def test_the_splits_share_no_data() -> None:
    data = [{each.about["data"] for each in read(split)} for split in SPLITS]
    assert not data[0] & data[1]


@pytest.mark.parametrize(("split", "missed"), [("fit", set()), ("held_out", MISSED)])
def test_collapses_that_nobody_injected_are_known(
    split: str, missed: set[str], guard: Guard
) -> None:
    found = [each for each in read(split) if each.collapses and not each.injected]
    assert {each.name for each in found if each.noticed(guard) is None} == missed


@pytest.mark.parametrize("split", SPLITS)
def test_a_run_that_is_bad_from_its_first_step_is_never_called_good(
    split: str, guard: Guard
) -> None:
    bad = [each for each in read(split) if each.harm == NEVER]
    assert len(bad) >= 2
    for each in bad:
        assert each.called_good(guard) == [], each.name
        assert each.noticed(guard) is not None, each.name


def test_healthy_runs_with_a_baseline_leave_their_warm_up(guard: Guard) -> None:
    for split in SPLITS:
        for each in read(split):
            if each.kind == HEALTHY and each.baseline is not None:
                assert each.called_good(guard)[0] < guard.warm_up * each.end, each.name


def test_there_are_as_many_healthy_steps_and_runs_as_the_page_says() -> None:
    found = [each for split in SPLITS for each in read(split) if each.kind == HEALTHY]
    whole = [each for each in found if each.baseline is not None]
    assert sum(each.end >= 2000 for each in whole) == 4
    assert len({each.about["seed"] for each in whole}) == len(whole) == 17
    assert len({each.name for each in whole if each.about["real"]}) == 3
    pages = {"fit": (23, 19), "held_out": (33, 35)}
    for split, counts in pages.items():
        histories = read(split)
        well = sum(each.kind == HEALTHY and each.harm == NONE for each in histories)
        assert (well, sum(each.collapses for each in histories)) == counts
