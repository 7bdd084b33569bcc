"""`dvc repro` under Ctrl-C and SIGTERM, and edited code between two. One more stop: `stopped`."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from held_trainer import start_until_held, wait_until_quiet
from work_tree import run

Copy = Callable[[Path, str], Path]
pytestmark = pytest.mark.timeout(1500)  # the first test makes the work trees
COMMAND = ("dvc", "repro", "train")


def ctrl_c(process: "subprocess.Popen[str]") -> None:
    """At a terminal it reaches all processes in the foreground."""
    os.killpg(process.pid, signal.SIGINT)


@pytest.mark.long
@pytest.mark.parametrize(("step", "stop"), [(2, ctrl_c), (13, subprocess.Popen.terminate)])
def test_however_it_is_stopped_it_ends_as_a_run_that_was_stopped_otherwise(
    untrained: Path,
    finished: Path,
    copied: Copy,
    step: int,
    stop: Callable[["subprocess.Popen[str]"], None],
) -> None:
    tree = copied(untrained, "stopped")
    process = start_until_held(tree, step, *COMMAND)
    stop(process)
    process.communicate(timeout=120)
    assert process.returncode != 0
    wait_until_quiet(tree)
    assert f"resumed from step-{step:08d}" in run_in(tree, "dvc", "repro")
    assert (tree / "dvc.lock").read_bytes() == (finished / "dvc.lock").read_bytes()


@pytest.mark.long
def test_a_run_of_other_code_goes_on_by_repro_once_it_was_asked_for(
    untrained: Path, copied: Copy
) -> None:
    """The work tree's own code is edited between two `dvc repro`; dvdgan/numerics.json with it."""
    tree = copied(untrained, "edited")
    process = start_until_held(tree, 2, *COMMAND)
    process.terminate()
    process.communicate(timeout=120)
    wait_until_quiet(tree)
    [run] = [path.parent.name for path in tree.glob(".runs/train/*/settings.json")]
    own = ("env", f"PYTHONPATH={tree}")
    losses = tree / "dvdgan/training/train_step.py"

    losses.write_text(losses.read_text().replace("relu(1 - real)", "relu(1.01 - real)"))
    assert "the code behind" in run_in(tree, *own, *COMMAND, fails=True)
    run_in(tree, *own, sys.executable, "-m", "dvdgan.provenance")
    told = run_in(tree, *own, *COMMAND, fails=True)
    assert f"dvdgan train --continue-run {run}" in told
    assert "+    return relu(1.01 - real).mean()" in told

    stopped = start_until_held(tree, 4, *own, "dvdgan", "train", "--continue-run", run)
    stopped.terminate()
    output, _ = stopped.communicate(timeout=120)
    wait_until_quiet(tree)
    assert "is continued with the current code" in output
    assert "resumed from step-00000004" in run_in(tree, *own, *COMMAND)
    assert (tree / "artifacts/train/code_changes.json").is_file()
    assert "Stage 'train' didn't change, skipping" in run_in(tree, *own, *COMMAND)


def run_in(tree: Path, *command: str, fails: bool = False) -> str:
    """What a command printed that ends well, or ``fails``."""
    ended = run(tree, *command)
    assert (ended.returncode != 0) is fails, ended.stdout
    return ended.stdout
