"""The agent of one node: follows the launch state that the coordinator writes to the run folder.

It trains from TRAIN to STOP, and stops when the coordinator has no heartbeat or has started another
launch, so that a killed or disconnected coordinator leaves no trainers running on other hosts.
"""

import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dvdgan.errors import EXIT_INTERRUPTED
from dvdgan.guard.heartbeat import Heartbeat, HeartbeatReader
from dvdgan.guard.killing import KILL_SECONDS
from dvdgan.guard.run_folder import RunFolder
from dvdgan.guard.run_lock import lock
from dvdgan.guard.torchrun import launcher, read_environment
from dvdgan.guard.trainer_process import TrainerProcess

GATHER, TRAIN, STOP = "gather", "train", "stop"
POLL_SECONDS = 0.25
# From the start of a node's run on its host to its first heartbeat, and to the first launch state
# that it reads: as long as it waits for the trainers of an earlier run (guard/run_lock.py).
START_SECONDS = 300.0


def coordinator_file(run: RunFolder) -> Path:
    """Written by the coordinator: {launch_ids, timeout, state, spec}.

    ``launch_ids``: that of the one run of each node that counts; any other stops. ``timeout``: the
    seconds without a heartbeat after which an agent stops. ``state``: GATHER, TRAIN or STOP.
    ``spec``: the launch spec {nodes, processes, endpoint, run_id, environment}, null before TRAIN.
    """
    return run.root / "nodes" / "coordinator.json"


def node_file(run: RunFolder, name: str) -> Path:
    """Written by node ``name``: {launch_id, code}; the code is null until its trainer has ended."""
    return run.root / "nodes" / f"node-{name}.json"


def serve(run: RunFolder, name: str, launch_id: str, on_line: Callable[[str], None]) -> int:
    """Run node ``name`` of ``run`` in the launch with ``launch_id``.

    Returns the exit code of its torchrun, or EXIT_INTERRUPTED when the coordinator stopped it.
    Every line that the trainer prints goes to ``on_line``. If an exception interrupts this call,
    the trainer saves and stops first. Raises UserError if an earlier trainer on this host does not
    end.
    """
    coordinator = CoordinatorReader(run, name, launch_id)
    alone = lock(
        Path(tempfile.gettempdir()) / f"dvdgan-node-{name}.lock",
        f"an earlier trainer of node {name}",
    )
    with alone, Heartbeat(node_file(run, name), launch_id=launch_id, code=None) as heartbeat:
        code = EXIT_INTERRUPTED
        try:
            while (state := coordinator.state()) == GATHER:
                time.sleep(POLL_SECONDS)
            if state == TRAIN:
                code = _train(run, coordinator, on_line)
        finally:
            heartbeat.update(code=code)
    return code


class CoordinatorReader:
    """Reads what the coordinator writes, for one run of a node."""

    def __init__(self, run: RunFolder, name: str, launch_id: str) -> None:
        self._heartbeat = HeartbeatReader(coordinator_file(run))
        self._name, self._launch_id = name, launch_id
        self._last_seen = time.monotonic()
        self._newest: dict[str, Any] = {}  # of this launch

    def state(self) -> str:
        """The launch state; STOP where there is no heartbeat, or another run of this node counts.

        GATHER as long as nothing of this launch was read.
        """
        contents = self._heartbeat.read()
        counts = contents.get("launch_ids", {}).get(self._name) == self._launch_id
        if counts and contents != self._newest:
            self._newest, self._last_seen = contents, time.monotonic()
        silence = time.monotonic() - self._last_seen
        # At first a common file system may still show what was written before this launch.
        superseded = bool(self._newest) and not counts
        if superseded or silence > self._newest.get("timeout", START_SECONDS):
            return STOP
        return str(self._newest.get("state", GATHER))

    def spec(self) -> dict[str, Any]:
        """The launch spec, in state TRAIN."""
        spec: dict[str, Any] = self._newest["spec"]
        return spec


def _train(run: RunFolder, coordinator: CoordinatorReader, on_line: Callable[[str], None]) -> int:
    spec = coordinator.spec()
    command = launcher(spec["nodes"], spec["processes"], spec["endpoint"], spec["run_id"])
    variables = read_environment(coordinator_file(run).with_name(spec["environment"]))
    trainer = TrainerProcess(run, command, variables, subprocess.PIPE)

    def forward_lines() -> None:
        for line in trainer.lines():
            on_line(line)

    lines = threading.Thread(target=forward_lines, daemon=True)
    lines.start()
    try:
        while (code := trainer.poll()) is None and coordinator.state() != STOP:
            time.sleep(POLL_SECONDS)
    finally:
        trainer.stop()
    lines.join(KILL_SECONDS)  # a process that cannot be killed may hold the pipe open
    return EXIT_INTERRUPTED if code is None else code
