"""`dvdgan train` in a work tree of a few small files, with a trainer that needs no torch."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from lax_guard import LAX

from dvdgan.guard import ledger
from dvdgan.guard.run_folder import RunFolder

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
PATIENCE = 240.0
SIZES = {"steps": 64, "checkpoint_every": 8, "evaluate_every": 8} | LAX
DATA = (
    *("shards/index", "features/small_i3d/config"),
    *("reference/ranges", "reference/self_trained/reference"),
)


class LightRun:
    """A work tree, the command in it, and what is left running there."""

    def __init__(self, tree: Path, **environment: str) -> None:
        self.tree, self.log = tree, tree / "output.log"
        clean = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("PREFECT", "DVDGAN"))
        }
        paths = [str(HERE / "light"), *clean.get("PYTHONPATH", "").split(os.pathsep)]
        self.environment = clean | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "DVDGAN_LAUNCHER": f"{sys.executable} {HERE / 'light_trainer.py'}",
            **environment,
        }
        params = (PROJECT / "presets" / "demo.yaml").read_text()
        for key, value in SIZES.items():
            params = re.sub(rf"(?m)^( *{key}:) .*$", rf"\g<1> {value}", params)
        tree.mkdir(parents=True, exist_ok=True)
        (tree / "params.yaml").write_text(params)
        for name in DATA:
            path = tree / "artifacts" / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")

    @property
    def run(self) -> RunFolder:
        """Of the one run; there is none before the command has begun."""
        [root] = self.tree.glob(".runs/train/*")
        return RunFolder(root)

    def begin(self, **environment: str) -> "subprocess.Popen[bytes]":
        """`dvdgan train`, its lines in ``log``."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                ["dvdgan", "train"],
                cwd=self.tree,
                env=self.environment | environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def finish(self, **environment: str) -> int:
        """The same, to its end; the exit code."""
        return self.ended(self.begin(**environment))

    def ended(self, process: "subprocess.Popen[bytes]") -> int:
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(self.log.read_text()) from None

    def release(self, step: int) -> None:
        """Let a trainer that $LIGHT_HOLDS holds after ``step`` go on."""
        (self.tree / f"released-{step}").touch()

    def steps(self) -> int:
        """Steps in the metrics."""
        return sum(path.read_bytes().count(b"\n") for path in self._files("metrics.jsonl"))

    def saved(self) -> int:
        """The step of the latest valid checkpoint, 0 without one."""
        found = self._files("checkpoints/step-*/manifest.json")
        return max((int(path.parent.name.removeprefix("step-")) for path in found), default=0)

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Of the ledger."""
        read = [event for path in self._files("ledger.jsonl") for event in ledger.read(path)]
        return [event for event in read if event["event"] == kind]

    def await_that(self, condition: Callable[[], Any]) -> None:
        """Wait until ``condition()`` is true."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def alive(self, command: str = "") -> list[psutil.Process]:
        """Processes that work in the tree with ``command`` in their command line."""
        found = []
        for process in psutil.process_iter(["cwd", "cmdline", "status"]):
            info = process.info
            inside = info["cwd"] == str(self.tree) and info["status"] != psutil.STATUS_ZOMBIE
            if inside and command in " ".join(info["cmdline"] or ()):
                found.append(process)
        return found

    def outcome(self) -> tuple[bytes, bytes, dict[str, Any]]:
        """What must not depend on kills and outages: ledger, metrics, what is published."""
        published = json.loads((self.tree / "artifacts/train/checkpoint/state.json").read_text())
        return self.run.ledger.read_bytes(), self.run.metrics.read_bytes(), published

    def _files(self, name: str) -> Iterator[Path]:
        return self.tree.glob(f".runs/train/*/{name}")


@contextmanager
def nothing_left(run: LightRun) -> Iterator[None]:
    """Afterwards no process may work in the tree; whatever does is killed."""
    try:
        yield
        run.await_that(lambda: not run.alive())
    finally:
        for process in run.alive():
            process.send_signal(signal.SIGKILL)
    assert not (run.run.root / "violation").exists(), "two trainers worked in one folder"
