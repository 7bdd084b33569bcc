"""One node of a run on many: does what the leader (guard/leader.py) says in the run folder.

It trains from "train" to "stop", and stops by itself when the leader is silent or superseded: a
leader that was killed, or cut off, never leaves trainers behind on other hosts.
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
from dvdgan.guard.beats import Beat, Listener
from dvdgan.guard.killing import KILL_SECONDS
from dvdgan.guard.processes import TrainerProcess
from dvdgan.guard.run_folder import RunFolder
from dvdgan.guard.shared_environment import read_environment
from dvdgan.guard.torchrun import launcher

TRAIN, STOP = "train", "stop"
POLL_SECONDS = 0.25
# From asking for a node's run to its first beat, once a host has taken it up; and how long a node
# waits for the first word, or for the trainers of an earlier run to leave its host.
START_SECONDS = 300.0


def leader_file(run: RunFolder) -> Path:
    """What the leader says: {launch, tickets, timeout, word}; with TRAIN also {order}.

    ``tickets``: of the one run of each node that is meant; any other stops.
    """
    return run.root / "nodes" / "leader.json"


def node_file(run: RunFolder, name: str) -> Path:
    """What node ``name`` says: {ticket, code}; the code is None until its trainer has ended."""
    return run.root / "nodes" / f"node-{name}.json"


def serve(run: RunFolder, name: str, ticket: str, on_line: Callable[[str], None]) -> int:
    """Be node ``name`` of ``run`` by the ``ticket`` the leader gave out; returns the exit code of
    its torchrun, or EXIT_INTERRUPTED when the leader stopped it.

    Every line the trainer prints goes to ``on_line``. When interrupted by an exception, the trainer
    is stopped first: it saves. Raises UserError where an earlier trainer does not leave this host.
    """
    leader = HeardLeader(Listener(leader_file(run)), name, ticket)
    with _alone_on_host(name), Beat(node_file(run, name), ticket=ticket, code=None) as beat:
        code = EXIT_INTERRUPTED
        try:
            while not leader.says(STOP) and not leader.says(TRAIN):
                time.sleep(POLL_SECONDS)
            if leader.says(TRAIN):
                code = _train(run, leader, on_line)
        finally:
            beat.say(code=code)
    return code


class HeardLeader:
    """The leader as one run of a node hears it."""

    def __init__(self, listener: Listener, name: str, ticket: str) -> None:
        self._listener, self._name, self._ticket = listener, name, ticket
        self._heard = time.monotonic()
        self.said: dict[str, Any] = {}
        """What it said last to this run; {} before it said anything."""

    def says(self, word: str) -> bool:
        """Whether its word is ``word``; STOP too where it is silent or means another run."""
        said = self._listener.hear()
        meant = said.get("tickets", {}).get(self._name) == self._ticket
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


def _train(run: RunFolder, leader: HeardLeader, on_line: Callable[[str], None]) -> int:
    order = leader.said["order"]
    words = launcher(order["nodes"], order["processes"], order["endpoint"], order["run_id"])
    variables = read_environment(leader_file(run).with_name(order["environment"]))
    trainer = TrainerProcess(run, words, variables, subprocess.PIPE)

    def hand_on() -> None:
        for line in trainer.lines():
            on_line(line)

    lines = threading.Thread(target=hand_on, daemon=True)
    lines.start()
    try:
        while (code := trainer.poll()) is None and not leader.says(STOP):
            time.sleep(POLL_SECONDS)
    finally:
        trainer.stop()
    lines.join(KILL_SECONDS)  # a process that cannot be killed may hold the pipe open
    return EXIT_INTERRUPTED if code is None else code
