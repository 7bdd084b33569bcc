"""`dvdgan train` without Prefect, killed at random: nothing is lost, and nothing is left."""

from pathlib import Path

import pytest
from killing import survive
from light_run import LightRun

KILLS = 20

pytestmark = pytest.mark.timeout(900)


def test_killed_twenty_times_it_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    undisturbed = LightRun(tmp_path / "undisturbed", LIGHT_STEP_SECONDS="0")
    assert undisturbed.finish() == 0, undisturbed.log.read_text()
    killed = survive(LightRun(tmp_path / "tree"), undisturbed, KILLS, seed=0)
    assert sum(killed.values()) == KILLS
