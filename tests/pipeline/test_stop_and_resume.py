"""Stopping `dvc repro` in the middle of train, and running the same command again."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from work_tree import environment, run

Copy = Callable[[Path, str], Path]


def steps(tree: Path) -> int:
    """Steps in the metrics of the one run."""
    return sum(path.read_bytes().count(b"\n") for path in tree.glob(".runs/train/*/metrics.jsonl"))


def start_until_training(tree: Path, least: int) -> "subprocess.Popen[str]":
    """Start `dvc repro` in a session of its own and wait for ``least`` steps of training."""
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
        if steps(tree) >= least:
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


def test_stopped_three_times_the_same_command_ends_where_an_unbroken_run_ends(
    untrained: Path, finished: Path, copied: Copy
) -> None:
    """Ctrl-C at the terminal, kill -TERM and kill -9 of dvc alone."""
    tree = copied(untrained, "interrupted")
    reached = 0
    for number, stop in [
        (signal.SIGINT, lambda process: os.killpg(process.pid, signal.SIGINT)),
        (signal.SIGTERM, subprocess.Popen.terminate),
        (signal.SIGKILL, subprocess.Popen.kill),
    ]:
        process = start_until_training(tree, reached + 2)
        stop(process)
        output, _ = process.communicate(timeout=120)
        assert process.returncode != 0, number
        wait_until_quiet(tree)
        saved = sorted(path.name for path in tree.glob(".runs/train/*/checkpoints/step-*"))
        assert saved and steps(tree) > reached, output
        reached = steps(tree)
    again = run(tree, "dvc", "repro")
    assert again.returncode == 0, again.stdout
    assert f"resumed from {saved[-1]}" in again.stdout
    assert (tree / "dvc.lock").read_bytes() == (finished / "dvc.lock").read_bytes()
