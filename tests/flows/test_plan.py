"""The plan is what `dvc repro` then does, in a small pipeline of which it runs everything."""

import shutil
import subprocess
from pathlib import Path

import pytest
from at_once import tools

from flows.plan import CACHED, MAY_RUN, RUNS, UP_TO_DATE, PlannedStage, planned_stages

# middle makes the same output for all values of `noise`; last reads a part of its folder.
PIPELINE = """
stages:
  first:
    cmd: mkdir a && cp data.txt a/part && grep size params.yaml > a/size
    params: [size]
    deps: [data.txt]
    outs: [a]
  middle:
    cmd: mkdir b && cp a/part b/part
    params: [noise]
    deps: [a]
    outs: [b]
  last:
    cmd: cat b/part > c
    deps: [b/part]
    outs: [c]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "data.txt").write_text("one")
    set_params(tmp_path, size=1, noise=1)
    return tmp_path


def set_params(folder: Path, **params: int) -> None:
    (folder / "params.yaml").write_text("".join(f"{k}: {v}\n" for k, v in params.items()))


def repro(folder: Path) -> list[str]:
    """Run `dvc repro`; the stages whose commands it ran."""
    done = subprocess.run(
        [f"{tools()}/dvc", "repro"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    return [line.split("'")[1] for line in lines if line.startswith("Running stage")]


def plan(folder: Path) -> list[PlannedStage]:
    return planned_stages(str(folder))


def outcomes(folder: Path) -> list[str]:
    return [stage.outcome for stage in plan(folder)]


def test_a_new_work_tree_runs_everything_and_then_nothing(folder: Path) -> None:
    planned = plan(folder)
    assert [stage.outcome for stage in planned] == [RUNS, RUNS, RUNS]
    assert {stage.reasons[0] for stage in planned} == {"it has not run yet"}
    assert repro(folder) == ["first", "middle", "last"]
    lock = (folder / "dvc.lock").read_bytes()
    assert outcomes(folder) == [UP_TO_DATE, UP_TO_DATE, UP_TO_DATE]
    assert (folder / "dvc.lock").read_bytes() == lock


def test_a_param_is_named_and_what_follows_may_run(folder: Path) -> None:
    repro(folder)
    set_params(folder, size=1, noise=2)
    assert plan(folder) == [
        PlannedStage("first", UP_TO_DATE, []),
        PlannedStage("middle", RUNS, ["noise 1 -> 2"]),
        PlannedStage("last", MAY_RUN, ["waits for middle"]),
    ]
    assert repro(folder) == ["middle"]  # which made the same output again


def test_what_ran_before_comes_from_the_cache_to_its_end(folder: Path) -> None:
    repro(folder)
    set_params(folder, size=2, noise=2)
    (folder / "data.txt").write_text("two")
    assert plan(folder)[0] == PlannedStage("first", RUNS, ["data.txt: modified", "size 1 -> 2"])
    repro(folder)
    set_params(folder, size=1, noise=1)
    (folder / "data.txt").write_text("one")
    assert outcomes(folder) == [CACHED, CACHED, CACHED]
    assert plan(folder)[2].reasons == ["b/part: modified"]
    assert repro(folder) == []


def test_an_output_that_is_lost_comes_from_the_cache(folder: Path) -> None:
    repro(folder)
    (folder / "c").unlink()
    assert plan(folder)[2] == PlannedStage("last", CACHED, ["c: deleted"])
    assert repro(folder) == []


def test_an_output_that_the_cache_has_lost_is_made_again(folder: Path) -> None:
    repro(folder)
    shutil.rmtree(folder / ".dvc" / "cache" / "files")
    planned = plan(folder)[0]
    assert planned.outcome == RUNS and planned.reasons == ["a: not in cache"]
    assert "first" in repro(folder)


def test_a_changed_stage_whose_input_is_yet_to_be_checked_out(folder: Path) -> None:
    repro(folder)
    shutil.rmtree(folder / "a")
    set_params(folder, size=1, noise=2)
    assert plan(folder) == [
        PlannedStage("first", CACHED, ["a: deleted"]),
        PlannedStage("middle", RUNS, ["noise 1 -> 2"]),
        PlannedStage("last", MAY_RUN, ["waits for middle"]),
    ]
    assert repro(folder) == ["middle"]
