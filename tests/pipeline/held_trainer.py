"""A trainer that holds after a step of the pipeline until it is stopped."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
from work_tree import PROJECT, environment

# It waits for the stop, however fast the machine and however long dvc takes to pass the stop on.
HOLDING = f"{sys.executable} {PROJECT / 'tests/training/holding_trainer.py'}"


def held_after(step: int) -> dict[str, str]:
    """The variables with which a trainer holds after ``step``."""
    return {"DVDGAN_LAUNCHER": HOLDING, "HOLD_AT": str(step)}


def steps(tree: Path) -> int:
    """Steps in the metrics of the one run."""
    return sum(path.read_bytes().count(b"\n") for path in tree.glob(".runs/train/*/metrics.jsonl"))


def start_until_held(tree: Path, step: int, *command: str) -> "subprocess.Popen[str]":
    """Start ``command`` in a session of its own and wait until its trainer holds after ``step``."""
    process = subprocess.Popen(
        command,
        cwd=tree,
        env=environment() | held_after(step),
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
