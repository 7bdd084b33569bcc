"""Stopping `dvc repro` in the middle of train, and running the same command again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from ruamel.yaml import YAML
from work_tree import PROJECT, environment, run

Copy = Callable[[Path, str], Path]
pytestmark = pytest.mark.timeout(1500)  # the first test makes the work trees
COMMAND = ("dvc", "repro", "train")
# It waits for the stop, however fast the machine and however long dvc takes to pass the stop on.
HOLDING = f"{sys.executable} {PROJECT / 'tests/training/holding_trainer.py'}"


def steps(tree: Path) -> int:
    """Steps in the metrics of the one run."""
    return sum(path.read_bytes().count(b"\n") for path in tree.glob(".runs/train/*/metrics.jsonl"))


def start_until_held(tree: Path, step: int, *command: str) -> "subprocess.Popen[str]":
    """Start ``command`` in a session of its own and wait until its trainer holds after ``step``.

    Without ``command`` it is COMMAND.
    """
    process = subprocess.Popen(
        command or COMMAND,
        cwd=tree,
        env=environment() | {"DVDGAN_LAUNCHER": HOLDING, "HOLD_AT": str(step)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    deadline = time.monotonic() + 240
    while steps(tree) < step:
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < deadline, "training did not start"
        time.sleep(0.05)
    return process


def wait_until_quiet(tree: Path) -> None:
    """Until no process works in ``tree`` any more."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if not [p for p in psutil.process_iter(["cwd"]) if p.info["cwd"] == str(tree)]:
            return
        time.sleep(0.2)
    raise AssertionError("something is still running")


def locked(tree: Path) -> dict[str, Any]:
    """What dvc.lock says of train: its params, and the hashes of what it read and made."""
    stages: dict[str, dict[str, Any]] = YAML(typ="safe").load(tree / "dvc.lock")["stages"]
    return stages["train"]


def test_stopped_three_times_the_same_command_ends_where_an_unbroken_run_ends(
    untrained: Path, finished: Path, copied: Copy
) -> None:
    """Ctrl-C at the terminal, kill -TERM and kill -9 of dvc alone.

    The second and third after the first scheduled checkpoint, of step 12, which is then evaluated.
    """
    tree = copied(untrained, "interrupted")
    for step, stop in [
        (2, lambda process: os.killpg(process.pid, signal.SIGINT)),
        (13, subprocess.Popen.terminate),
        (14, subprocess.Popen.kill),
    ]:
        process = start_until_held(tree, step)
        stop(process)
        output, _ = process.communicate(timeout=120)
        assert process.returncode != 0, output
        wait_until_quiet(tree)
        saved = sorted(path.name for path in tree.glob(".runs/train/*/checkpoints/step-*"))
        assert saved and saved[-1] == f"step-{step:08d}", output
        assert steps(tree) == step
    again = run(tree, *COMMAND)
    assert again.returncode == 0, again.stdout
    assert f"resumed from {saved[-1]}" in again.stdout
    assert locked(tree) == locked(finished)


@pytest.mark.long
def test_a_run_of_other_code_goes_on_by_repro_once_it_was_asked_for(
    untrained: Path, copied: Copy
) -> None:
    """The work tree's own code is edited between two `dvc repro`; dvdgan/numerics.json with it."""
    tree = copied(untrained, "edited")
    process = start_until_held(tree, 2)
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
    assert "is continued by the present code" in output
    assert "resumed from step-00000004" in run_in(tree, *own, *COMMAND)
    assert (tree / "artifacts/train/code_changes.json").is_file()
    assert "Stage 'train' didn't change, skipping" in run_in(tree, *own, *COMMAND)


def run_in(tree: Path, *command: str, fails: bool = False) -> str:
    """What a command printed that ends well, or ``fails``."""
    ended = run(tree, *command)
    assert (ended.returncode != 0) is fails, ended.stdout
    return ended.stdout
