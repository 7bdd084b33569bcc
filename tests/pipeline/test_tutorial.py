"""The commands of docs/tutorial.md, one after another, on a tiny imitation of 50 clips."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from work_tree import PROJECT, run_fork

pytestmark = pytest.mark.timeout(1500)  # the first test makes the work trees


def commands() -> list[str]:
    page = (PROJECT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [line for kind, block in blocks if kind == "" for line in block.splitlines()]


def test_the_tutorial(finished: Path, copied: Callable[[Path, str], Path]) -> None:
    """As in the tutorial, but that the settings are tiny ones, whose results DVC has."""
    tree = copied(finished, "tutorial")
    shutil.copytree(PROJECT / "presets", tree / "presets")
    (tree / "data/videos").symlink_to(tree / "data/synthetic")
    tiny = (tree / "params.yaml").read_text()
    printed = {}
    for command in commands():
        done = run_fork(tree, *command.split())
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        printed[command] = done.stdout
        if command == "dvdgan check":  # of the preset as it is, on the folder it names
            (tree / "params.yaml").write_text(tiny)
    assert "clip" in printed["dvdgan model"]
    assert "didn't change, skipping" in printed["dvc repro index"]
    assert "FVD" in printed["dvdgan report --show"]
    assert "artifacts/report/index.html" in printed["dvdgan report --show"]
    assert (tree / "samples").is_dir()
    assert (tree / "artifacts/report/index.html").is_file()
    assert (tree / "artifacts/index/refused.csv").is_file()
