"""Trainers killed, signalled, and shown a jumping clock: the run ends as if nothing had been."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable

import pytest
from trainer_processes import Nursery, await_checkpoint, await_steps, finished

from dvdgan.errors import EXIT_INTERRUPTED
from dvdgan.guard.run_folder import RunFolder, latest_valid, verify_checkpoint

NewRun = Callable[..., RunFolder]


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def assert_same(run: RunFolder, other: RunFolder) -> None:
    assert run.metrics.read_bytes() == other.metrics.read_bytes()
    assert run.saved_steps() == other.saved_steps()
    for part in ("samples", f"checkpoints/{run.checkpoint(run.saved_steps()[-1]).name}"):
        names = sorted(path.name for path in (other.root / part).iterdir())
        assert sorted(path.name for path in (run.root / part).iterdir()) == names
        assert names
        for name in names:
            same = (run.root / part / name).read_bytes() == (other.root / part / name).read_bytes()
            assert same, name


@pytest.fixture(scope="module")
def unbroken(new_run: NewRun, nursery: Nursery, request: pytest.FixtureRequest) -> RunFolder:
    """A run of so many steps."""
    run = new_run("unbroken", steps=request.param, checkpoint_every=1, preview_every=8)
    nursery.begin("trainer", run)
    assert nursery.ended() == 0, (run.root / "output.log").read_text()
    return run


@pytest.mark.parametrize(
    ("kills", "unbroken"),
    [(4, 8), pytest.param(14, 24, marks=pytest.mark.long)],
    indirect=["unbroken"],
)
def test_random_kills_change_no_bit(
    new_run: NewRun, nursery: Nursery, unbroken: RunFolder, kills: int
) -> None:
    """Nor does another number of loader workers each time.

    Every start is held at most two steps on: kills + awaiting < steps, so none ends the run,
    however fast.
    """
    steps = unbroken.saved_steps()[-1]
    awaiting = min(kills // 2, steps - 1 - kills)
    run = new_run("killed", steps=steps, checkpoint_every=1, preview_every=8)
    rng = random.Random(0)
    sure = 0  # starts that had a checkpoint and went on to the next
    for awaited in rng.sample([1] * awaiting + [0] * (kills - awaiting), kills):
        before = max(run.saved_steps(), default=0)
        (run.root / "hold_at").write_text(str(before + 1 + awaited))
        pid = nursery.begin("held", run, workers=rng.choice([0, 0, 1, 2]))
        if awaited:
            await_checkpoint(run, before + 1)
            sure += before > 0
        time.sleep(rng.uniform(0, 0.3) if awaited else rng.uniform(0, 0.1))
        kill(pid)
        assert nursery.ended() == -signal.SIGKILL
    assert awaiting <= max(run.saved_steps()) < steps
    nursery.begin("trainer", run)
    assert nursery.ended() == 0
    assert sure >= awaiting - 1
    assert (run.root / "output.log").read_text().count("resumed from") >= sure + 1
    assert_same(run, unbroken)


@pytest.mark.long
@pytest.mark.parametrize("unbroken", [8], indirect=True)
def test_a_clock_that_jumps_changes_nothing(
    new_run: NewRun, nursery: Nursery, unbroken: RunFolder
) -> None:
    run = new_run("jumpy", steps=8, checkpoint_every=1, preview_every=8)
    nursery.begin("jumpy", run)
    assert nursery.ended() == 0, (run.root / "output.log").read_text()
    assert_same(run, unbroken)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_ends_the_step_saves_and_leaves_with_75(
    new_run: NewRun, nursery: Nursery, number: signal.Signals
) -> None:
    run = new_run("signalled", steps=1000, checkpoint_every=1000, preview_every=800)
    pid = nursery.begin("trainer", run)
    await_steps(run, 2)
    os.kill(pid, number)
    assert nursery.ended() == EXIT_INTERRUPTED
    assert run.saved_steps() == [finished(run)]
    assert verify_checkpoint(run.checkpoint(finished(run))) is None


def test_a_second_signal_saves_nothing_and_leaves_the_checkpoint_before(
    new_run: NewRun, nursery: Nursery
) -> None:
    run = new_run("twice", steps=1000, checkpoint_every=2, preview_every=800)
    pid = nursery.begin("trainer", run)
    await_steps(run, 3)
    os.kill(pid, signal.SIGTERM)
    assert nursery.ended() == EXIT_INTERRUPTED
    before = run.saved_steps()
    bytes_before = {path: path.read_bytes() for path in run.checkpoints.rglob("*.*")}

    pid = nursery.begin("slow", run)
    while not (run.root / "writing").exists():
        time.sleep(0.01)
    os.kill(pid, signal.SIGTERM)
    time.sleep(2.2)  # signals closer together are one
    os.kill(pid, signal.SIGTERM)
    assert nursery.ended() == -signal.SIGTERM
    assert run.saved_steps() == before
    assert {path: path.read_bytes() for path in run.checkpoints.rglob("*.*")} == bytes_before


@pytest.mark.parametrize("kills", [12, pytest.param(100, marks=pytest.mark.long)])
def test_a_killed_writer_leaves_only_whole_checkpoints(
    new_run: NewRun, nursery: Nursery, kills: int
) -> None:
    run = new_run("written")
    rng = random.Random(1)
    partial = 0
    for _ in range(kills):
        before = len(run.saved_steps())
        pid = nursery.begin("writer", run)
        deadline = time.monotonic() + 60
        while len(run.saved_steps()) == before and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.05))
        kill(pid)
        nursery.ended()
        partial += len(list(run.checkpoints.glob(".*.tmp")))
        newest, skipped = latest_valid(run)
        assert newest is not None and skipped == []
        assert all(
            verify_checkpoint(run.checkpoint(step)) is None for step in run.saved_steps()[before:]
        )
        assert newest == max(run.saved_steps())
    assert partial > kills // 10  # it was met in the middle of writing
