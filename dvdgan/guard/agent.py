"""The agent of one node: follows the launch state that the coordinator writes to the run folder.

It trains from "train" to "stop", and stops by itself when the coordinator is silent or
superseded: a coordinator that was killed, or cut off, never leaves trainers behind on other hosts.
"""

import fcntl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvdgan.errors import EXIT_INTERRUPTED, UserError
from dvdgan.guard.heartbeat import Heartbeat, HeartbeatReader
from dvdgan.guard.killing import KILL_SECONDS
from dvdgan.guard.run_folder import RunFolder
from dvdgan.guard.shared_environment import read_environment
from dvdgan.guard.torchrun import launcher
from dvdgan.guard.trainer_process import TrainerProcess

TRAIN, STOP = "train", "stop"
POLL_SECONDS = 0.25
# From starting a node's run to its first heartbeat, once a host has taken it up; and how long it
# waits for the first word, or for the trainers of an earlier run to leave its host.
START_SECONDS = 300.0


def coordinator_file(run: RunFolder) -> Path:
    """What the coordinator says: {launch, launch_ids, timeout, word}; with TRAIN also {order}.

    ``launch_ids``: of the one run of each node that is meant; any other stops.
    """
    return run.root / "nodes" / "coordinator.json"


def node_file(run: RunFolder, name: str) -> Path:
    """What node ``name`` says: {launch_id, code}; the code is None until its trainer has ended."""
    return run.root / "nodes" / f"node-{name}.json"


def serve(run: RunFolder, name: str, launch_id: str, on_line: Callable[[str], None]) -> int:
    """Be node ``name`` of ``run`` by the ``launch_id`` the coordinator gave out; returns the exit
    code of its torchrun, or EXIT_INTERRUPTED when the coordinator stopped it.

    Every line the trainer prints goes to ``on_line``. When interrupted by an exception, the trainer
    is stopped first: it saves. Raises UserError where an earlier trainer does not leave this host.
    """
    coordinator = CoordinatorState(HeartbeatReader(coordinator_file(run)), name, launch_id)
    with (
        _alone_on_host(name),
        Heartbeat(node_file(run, name), launch_id=launch_id, code=None) as heartbeat,
    ):
        code = EXIT_INTERRUPTED
        try:
            while not coordinator.says(STOP) and not coordinator.says(TRAIN):
                time.sleep(POLL_SECONDS)
            if coordinator.says(TRAIN):
                code = _train(run, coordinator, on_line)
        finally:
            heartbeat.update(code=code)
    return code


class CoordinatorState:
    """The coordinator as one run of a node hears it."""

    def __init__(self, listener: HeartbeatReader, name: str, launch_id: str) -> None:
        self._listener, self._name, self._launch_id = listener, name, launch_id
        self._heard = time.monotonic()
        self.said: dict[str, Any] = {}
        """What it said last to this run; {} before it said anything."""

    def says(self, word: str) -> bool:
        """Whether its word is ``word``; STOP too where it is silent or means another run."""
        said = self._listener.read()
        meant = said.get("launch_ids", {}).get(self._name) == self._launch_id
        if meant and said != self.said:
            self.said, self._heard = said, time.monotonic()
        silence = time.monotonic() - self._heard
        # At first a common file system may still show what was said before this run was meant.
        dismissed = bool(self.said) and not meant
        if dismissed or silence > self.said.get("timeout", START_SECONDS):
            return word == STOP
        return bool(self.said) and self.said["word"] == word


@contextmanager
def _alone_on_host(name: str) -> Iterator[None]:
    """Hold this host's lock for node ``name``: trainers of an earlier run have left it."""
    path = Path(tempfile.gettempdir()) / f"dvdgan-node-{name}.lock"
    deadline = time.monotonic() + START_SECONDS
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise UserError(
                        f"another run of node {name} is still on this host",
                        where=str(path),
                        todo="end it: `fuser` on that file names its process",
                    ) from error
            time.sleep(POLL_SECONDS)
        yield


def _train(run: RunFolder, coordinator: CoordinatorState, on_line: Callable[[str], None]) -> int:
    order = coordinator.said["order"]
    words = launcher(order["nodes"], order["processes"], order["endpoint"], order["run_id"])
    variables = read_environment(coordinator_file(run).with_name(order["environment"]))
    trainer = TrainerProcess(run, words, variables, subprocess.PIPE)

    def hand_on() -> None:
        for line in trainer.lines():
            on_line(line)

    lines = threading.Thread(target=hand_on, daemon=True)
    lines.start()
    try:
        while (code := trainer.poll()) is None and not coordinator.says(STOP):
            time.sleep(POLL_SECONDS)
    finally:
        trainer.stop()
    lines.join(KILL_SECONDS)  # a process that cannot be killed may hold the pipe open
    return EXIT_INTERRUPTED if code is None else code
