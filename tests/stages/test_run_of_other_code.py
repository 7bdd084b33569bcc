"""`dvdgan train` for real in a work tree whose code is edited while a run is not finished."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dvdgan.errors import EXIT_USER_ERROR
from dvdgan.guard.run_folder import RunFolder
from dvdgan.stages.artefacts import TRAIN
from dvdgan.storage.local import read_json

PROJECT = Path(__file__).resolve().parents[2]
Copy = Callable[[str], Path]


def train(tree: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run the work tree's own package: with -m Python looks into the working folder first."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT")}
    return subprocess.run(
        [sys.executable, "-m", "dvdgan", "train", *options],
        cwd=tree,
        env=clean | {"OMP_NUM_THREADS": "1"},
        text=True,
        capture_output=True,
    )


def edit(tree: Path, file: str, text: str, instead: str) -> None:
    path = tree / "dvdgan" / file
    source = path.read_text(encoding="utf-8")
    assert text in source
    path.write_text(source.replace(text, instead, 1), encoding="utf-8")


@pytest.fixture(scope="module")
def tree(trained_copy: Copy) -> Path:
    """A work tree with code of its own, and a run."""
    folder = trained_copy("edited")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "dvdgan", folder / "dvdgan", ignore=ignored)
    shutil.rmtree(folder / TRAIN)
    return folder


def test_the_run_is_named_until_it_is_continued_on_request(tree: Path) -> None:
    [settings] = (tree / ".runs/train").glob("*/settings.json")
    run = RunFolder(settings.parent)
    edit(tree, "training/train_step.py", "relu(1 - real)", "relu(2 - real)")
    edit(tree, "training/ema.py", '"""', '"""Edited. ')

    ledger = run.ledger.rename(tree / "ledger.jsonl")  # its last checkpoint is not judged yet
    refused = train(tree)
    assert refused.returncode == EXIT_USER_ERROR
    assert f".runs/train/{run.root.name} (step 4 of 4)" in refused.stderr
    assert "  - training/train_step.py (discriminator_hinge)" in refused.stderr
    assert "+    return relu(2 - real).mean()" in refused.stderr
    assert "ema.py" not in refused.stderr and "Traceback" not in refused.stderr

    shutil.move(ledger, run.ledger)  # what follows need not measure it, then
    continued = train(tree, "--continue-run", run.root.name)
    assert continued.returncode == 0, continued.stderr
    [entry] = read_json(tree / TRAIN / "code_changes.json")
    assert (entry["step"], entry["files"]) == (4, ["training/train_step.py (discriminator_hinge)"])

    shutil.rmtree(tree / TRAIN)  # as `dvc repro` does before it runs the stage
    again = train(tree)
    assert again.returncode == 0, again.stderr
    assert read_json(tree / TRAIN / "code_changes.json") == [entry]
    assert len(list((tree / ".runs/train").glob("*/settings.json"))) == 1
