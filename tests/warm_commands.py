"""Commands of this package by forks of one process that has imported all: see warm_process.py.

For tests of what a command does. How commands start, and how they are stopped meanwhile, is tested
with processes that users start.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


class WarmCommands:
    """Starts commands, one at a time."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm_process.py"))],
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._last: WarmProcess | None = None
        self._count = 0

    def start(self, folder: Path, *words: str, **variables: str) -> "WarmProcess":
        """`python -m WORDS` in ``folder``, with more variables and none of Prefect's."""
        if self._last is not None and self._last.poll() is None:  # of a test that has failed
            self._last.send_signal(signal.SIGKILL)
            self._last.wait(60)
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT")}
        self._count += 1
        out, err = (self._logs / f"{self._count}.{stream}" for stream in ("out", "err"))
        request = {
            "args": [sys.executable, "-m", *words],
            "cwd": str(folder),
            "env": clean | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)} | variables,
            "stdout": str(out),
            "stderr": str(err),
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        self._last = WarmProcess(self._process, out, err)
        return self._last

    def run(self, folder: Path, *words: str, **variables: str) -> "WarmProcess":
        """Start and await one that must succeed."""
        process = self.start(folder, *words, **variables)
        assert process.wait(300) == 0, process.err.read_text()
        return process

    def close(self) -> None:
        """End the process and what it started last."""
        if self._last is not None and self._last.poll() is None:
            self._last.send_signal(signal.SIGKILL)
        self._process.kill()
        self._process.wait()


class WarmProcess:
    """A started command; ``out`` and ``err`` are the files it writes."""

    def __init__(self, parent: "subprocess.Popen[bytes]", out: Path, err: Path) -> None:
        self.out, self.err = out, err
        assert parent.stdout is not None
        self._answers = parent.stdout.fileno()
        self._rest = b""
        self.returncode: int | None = None
        self.pid = self._answer(60)

    def poll(self) -> int | None:
        arrived = b"\n" in self._rest or select.select([self._answers], [], [], 0)[0]
        if self.returncode is None and arrived:
            self.returncode = self._answer(1)
        return self.returncode

    def wait(self, seconds: float) -> int:
        if self.returncode is None:
            self.returncode = self._answer(seconds)
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _answer(self, seconds: float) -> int:
        """The next line of the parent."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._rest:
            left = max(deadline - time.monotonic(), 0)
            if not select.select([self._answers], [], [], left)[0]:
                raise subprocess.TimeoutExpired("a warm command", seconds)
            more = os.read(self._answers, 1000)
            assert more, "the warm process is gone"
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        return int(line)
