"""The order of stages comes from DVC's graph."""

import subprocess
from pathlib import Path

import pytest

from flows.graph import (
    cache_folder,
    is_up_to_date,
    stages_after,
    stages_before,
    stages_in_order,
)

PIPELINE = """
stages:
  last:
    cmd: "true"
    deps: [b]
  first:
    cmd: "touch a"
    outs: [a]
  middle:
    cmd: "true"
    deps: [a]
    outs: [b]
"""


@pytest.fixture
def folder(tmp_path: Path) -> str:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    return str(tmp_path)


def test_a_stage_comes_after_what_it_needs(folder: str) -> None:
    assert stages_in_order(folder) == ["first", "middle", "last"]


def test_what_comes_before_and_after_a_stage(folder: str) -> None:
    assert stages_before("last", folder) == ["first", "middle"]
    assert stages_before("first", folder) == []
    assert stages_after("first", folder) == ["middle", "last"]
    assert stages_after("last", folder) == []


def test_a_stage_that_never_ran_is_not_up_to_date(folder: str) -> None:
    assert not is_up_to_date("first", folder)


def test_where_the_cache_is(folder: str) -> None:
    assert cache_folder(folder) == Path(folder) / ".dvc" / "cache"
    (Path(folder) / ".dvc" / "config.local").write_text("[cache]\n    dir = /elsewhere\n")
    assert cache_folder(folder) == Path("/elsewhere")
