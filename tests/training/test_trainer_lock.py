"""Two trainers never write one run folder, whoever has started them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
from trainer_processes import ALONE, Nursery, await_steps, finished

from dvdgan.guard.run_folder import RunFolder

HELD = 8


@pytest.mark.long
def test_the_second_waits_until_the_first_is_gone(
    new_run: Callable[..., RunFolder], nursery: Nursery
) -> None:
    run = new_run("two", steps=12)
    (run.root / "hold_at").write_text(str(HELD))
    first = nursery.begin("held", run)
    try:
        await_steps(run, HELD)
        second = subprocess.Popen(
            [sys.executable, "-m", "dvdgan.training", str(run.root)],
            env=os.environ | ALONE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert second.stdout is not None
        lines = iter(second.stdout.readline, "")
        assert any("waiting for another trainer" in line for line in lines)
        assert finished(run) == HELD
    finally:
        os.kill(first, signal.SIGKILL)
    assert nursery.ended() == -signal.SIGKILL
    rest = second.stdout.read()
    assert second.wait(60) == 0, rest
    assert f"resumed from step-{HELD:08d}" in rest
    assert finished(run) == 12
