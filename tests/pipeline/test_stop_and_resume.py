"""Stopping `dvc repro` in the middle of train, and running the same command again."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from work_tree import environment, run

Copy = Callable[[Path, str], Path]


def start_until_training(tree: Path, steps: int = 3) -> "subprocess.Popen[str]":
    """Start `dvc repro` in a session of its own and wait for a few steps of training."""
    process = subprocess.Popen(
        ["dvc", "repro"],
        cwd=tree,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        lines = [
            path.read_text().count("\n") for path in tree.glob(".runs/train/*/metrics.jsonl")
        ]
        if lines and lines[0] >= steps:
            return process
        assert process.poll() is None, process.stdout and process.stdout.read()
        time.sleep(0.05)
    raise AssertionError("training did not start")


def wait_until_quiet(tree: Path) -> None:
    """Until no process works in ``tree`` any more."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if not [p for p in psutil.process_iter(["cwd"]) if p.info["cwd"] == str(tree)]:
            return
        time.sleep(0.2)
    raise AssertionError("something is still running")


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGKILL, False)],
    ids=["ctrl-c", "kill -TERM dvc", "kill -9 dvc"],
)
def test_the_same_command_ends_where_an_unbroken_run_ends(
    number: signal.Signals, whole_group: bool, untrained: Path, finished: Path, copied: Copy
) -> None:
    tree = copied(untrained, "interrupted")
    process = start_until_training(tree)
    if whole_group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    wait_until_quiet(tree)
    saved = sorted(path.name for path in tree.glob(".runs/train/*/checkpoints/step-*"))
    assert saved, output
    again = run(tree, "dvc", "repro")
    assert again.returncode == 0, again.stdout
    assert f"resumed from {saved[-1]}" in again.stdout
    assert (tree / "dvc.lock").read_bytes() == (finished / "dvc.lock").read_bytes()
