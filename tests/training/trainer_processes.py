"""Trainers for tests: a nursery that starts them at once, and what they have reached."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from dvdgan.guard.run_folder import RunFolder

ALONE = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


class Nursery:
    """See nursery.py."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("nursery.py"))],
            env=os.environ | ALONE | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._child: int | None = None

    def begin(self, kind: str, run: RunFolder, workers: int = 0, log: Path | None = None) -> int:
        """Fork a process that has ``workers`` to load clips; its pid.

        What it prints goes to ``log``, by default output.log in the run folder.
        """
        assert self._process.stdin is not None
        if self._child is not None:  # of a test that failed before it had ended
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)
            self.ended()
        log = log or run.root / "output.log"
        self._process.stdin.write(f"{kind} {workers} {log} {run.root}\n")
        self._process.stdin.flush()
        self._child = int(self._answer())
        return self._child

    def ended(self) -> int:
        """Wait for it; its exit code."""
        code, self._child = int(self._answer()), None
        return code

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the nursery is gone"
        return line


def finished(run: RunFolder) -> int:
    """Steps in the metrics."""
    return run.metrics.read_bytes().count(b"\n") if run.metrics.exists() else 0


def await_steps(run: RunFolder, steps: int, log: Path | None = None) -> None:
    """Wait until ``steps`` are in the metrics."""
    deadline = time.monotonic() + 60
    while finished(run) < steps:
        assert time.monotonic() < deadline, (log or run.root / "output.log").read_text()
        time.sleep(0.002)


def await_checkpoint(run: RunFolder, step: int) -> None:
    """Wait until the checkpoint of ``step`` is there."""
    deadline = time.monotonic() + 60
    while step not in run.saved_steps():
        assert time.monotonic() < deadline, (run.root / "output.log").read_text()
        time.sleep(0.002)
