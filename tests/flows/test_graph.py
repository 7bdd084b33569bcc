"""The order of stages comes from DVC's graph."""

import subprocess
from pathlib import Path

from flows.graph import stages_in_order

PIPELINE = """
stages:
  last:
    cmd: "true"
    deps: [b]
  first:
    cmd: "true"
    outs: [a]
  middle:
    cmd: "true"
    deps: [a]
    outs: [b]
"""


def test_a_stage_comes_after_what_it_needs(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    assert stages_in_order(str(tmp_path)) == ["first", "middle", "last"]
