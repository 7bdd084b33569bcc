"""`dvdgan train` without a server, killed at random: nothing is lost, and nothing is left."""

import subprocess
import sys
from pathlib import Path

import pytest
from killing import survive
from light_run import LightRun, nothing_left

from dvdgan.errors import EXIT_INTERRUPTED

pytestmark = pytest.mark.timeout(900)


@pytest.mark.parametrize("kills", [5, pytest.param(40, marks=pytest.mark.long)])
def test_killed_again_and_again_it_ends_as_if_nothing_had_been(
    tmp_path: Path, undisturbed: LightRun, kills: int
) -> None:
    killed = survive(LightRun(tmp_path / "tree"), undisturbed, kills, seed=kills)
    assert sum(killed.values()) == kills


@pytest.mark.long
def test_a_flow_that_no_server_lets_begin_is_done_all_the_same(
    tmp_path: Path, undisturbed: LightRun
) -> None:
    """The server answered `dvdgan train` and is gone when the flow begins; here it never was."""
    run = LightRun(tmp_path / "tree", LIGHT_HOLDS="12")
    with nothing_left(run):
        stopped = run.begin()
        run.await_that(lambda: run.steps() == 12)
        stopped.terminate()
        assert run.ended(stopped) == EXIT_INTERRUPTED, run.log.read_text()
        nobody = {"PREFECT_API_URL": "http://127.0.0.1:1/api", "PREFECT_HOME": str(tmp_path)}
        flow = subprocess.run(
            [sys.executable, "-m", "flows.train", str(run.run.root.relative_to(run.tree))],
            cwd=run.tree,
            env=run.environment | nobody | {"LIGHT_HOLDS": ""},
            text=True,
            capture_output=True,
            check=False,
        )
        assert flow.returncode == 0, flow.stderr
        assert run.events("evaluated")[-1]["step"] == 64
        assert run.finish() == 0, run.log.read_text()
    assert run.outcome() == undisturbed.outcome()
