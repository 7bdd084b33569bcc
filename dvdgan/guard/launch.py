"""One attempt of a run on many nodes: gather them, have them train, see how it ends."""

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Protocol

from dvdgan.errors import EXIT_INTERRUPTED
from dvdgan.guard.agent import START_SECONDS, STOP, TRAIN, coordinator_file, node_file
from dvdgan.guard.environment import GO_ON, RunEnvironment
from dvdgan.guard.heartbeat import Heartbeat, HeartbeatReader
from dvdgan.guard.run_folder import RunFolder
from dvdgan.guard.shared_environment import ENVIRONMENT, environment_file
from dvdgan.guard.trainer_process import STOP_GRACE_SECONDS

GATHER = "gather"
WAITING, BEGUN, ENDED = "waiting", "begun", "ended"
POLL_SECONDS = 0.25
ASK_SECONDS = 2.0
EXIT_NOT_BEGUN = 1

# Where torchrun's ranks meet: a port of each launch's own, so that two on one host do not meet.
# Linux gives outgoing connections those from 32768 on.
FIRST_PORT, PORTS = 15000, 15000


class NodeLauncher(Protocol):
    """Whoever has `serve` (guard/agent.py) run on the hosts, one run a node and launch."""

    def start(self, name: str, launch_id: str) -> bool:
        """Ask for a run of node ``name`` with ``launch_id``; it begins when the host is there.
        False: not now. Asked twice with one launch_id, there is one run."""

    def state(self, name: str) -> str | None:
        """WAITING for the host, BEGUN (it may have crashed since), ENDED in an orderly way; None:
        nobody can tell now."""

    def give_up(self, name: str) -> None:
        """Close the run of a node that does not answer, or has not begun."""


class Launch:
    """One attempt. ``tell`` says what a person should know; ``stopping`` asks for its end."""

    def __init__(
        self,
        run: RunFolder,
        environment: RunEnvironment,
        runs: NodeLauncher,
        tell: Callable[[str], None],
        stopping: threading.Event,
    ) -> None:
        self._run, self._environment, self._runs, self._tell = run, environment, runs, tell
        self._stopping = stopping
        self._run_id = uuid.uuid4().hex
        self._environment_name = f"{ENVIRONMENT}{self._run_id}.json"
        self._names = [name for name, _ in environment.nodes]
        self._listeners = {name: self._listener(name) for name in self._names}
        self._asked: set[str] = set()
        self._launch_ids = {name: self._new_launch_id() for name in self._names}
        self._timeout = environment.node_timeout
        self._ended: dict[str, int] = {}  # exit codes, in the order in which they were seen

    def outcome(self) -> int | None:
        """Its exit code; None where a node was lost, so that another attempt is due."""
        path, timeout = coordinator_file(self._run), self._timeout
        with (
            environment_file(path.with_name(self._environment_name)),
            Heartbeat(
                path, launch_ids=dict(self._launch_ids), timeout=timeout, word=GATHER
            ) as heartbeat,
        ):
            here = self._gathered(heartbeat)
            if here:
                for name in set(self._names) - set(here):  # it may come, but too late
                    del self._launch_ids[name]
                    self._runs.give_up(name)
                heartbeat.update(
                    word=TRAIN, launch_ids=dict(self._launch_ids), order=self._order(here)
                )
                self._wait_for_an_end(here)
            heartbeat.update(word=STOP)
            lost = self._lost_at_the_end()
            self._note_ends(here)
            for name in self._launch_ids:
                if self._code(name) is None:
                    self._runs.give_up(name)
        if self._stopping.is_set():
            return EXIT_INTERRUPTED
        if lost and not self._run.failure.exists():
            return None
        codes = list(self._ended.values())
        # Those that the coordinator stopped say so; the first of the others is the reason.
        failures = (code for code in codes if code not in (0, EXIT_INTERRUPTED))
        return next(failures, max(codes, default=EXIT_NOT_BEGUN))

    def _gathered(self, heartbeat: Heartbeat) -> list[str]:
        """The nodes that will train, in order; none after a stop, or where a run has ended."""
        began, told, asked = time.monotonic(), False, float("-inf")
        while not self._stopping.is_set():
            here = [name for name in self._names if self._is_here(name)]
            late = [name for name in self._names if name not in here]
            if not late:
                return here
            overdue = time.monotonic() - began > self._timeout
            if overdue and here and self._environment.lost_node == GO_ON:
                self._tell(f"node {', '.join(late)} does not come: training goes on without it")
                return here
            if overdue and not told:
                told = True
                self._tell(f"waiting for node {', '.join(late)}: start its worker")
            if time.monotonic() - asked > ASK_SECONDS:
                for name in late:
                    if not self._looked_after(name):
                        return []
                heartbeat.update(launch_ids=dict(self._launch_ids))
                asked = time.monotonic()
            time.sleep(POLL_SECONDS)
        return []

    def _looked_after(self, name: str) -> bool:
        """Have a run for a node that is not here; False where it ended and none is wanted."""
        if name not in self._asked:
            self._listeners[name] = self._listener(name)
            if self._runs.start(name, self._launch_ids[name]):
                self._asked.add(name)
            return True
        state = self._runs.state(name)
        if state == WAITING:
            self._listeners[name] = self._listener(name)  # it is no silence yet
        if state == ENDED:
            self._tell(f"the run of node {name} ended before it trained: its log says why")
            return False
        patience = self._timeout if self._was_here(name) else START_SECONDS
        if state == BEGUN and self._listeners[name].seconds_since_last_seen() > patience:
            self._tell(f"node {name} was taken up and is silent: it is started again")
            self._runs.give_up(name)
            self._launch_ids[name] = self._new_launch_id()
            self._asked.remove(name)
        return True

    def _order(self, here: Sequence[str]) -> dict[str, object]:
        first = dict(self._environment.nodes)[here[0]]
        port = FIRST_PORT + int(self._run_id, 16) % PORTS
        return {
            "nodes": len(here),
            "processes": self._environment.node_processes,
            "endpoint": f"[{first}]:{port}" if ":" in first else f"{first}:{port}",
            "environment": self._environment_name,
            "run_id": self._run_id,
        }

    def _wait_for_an_end(self, here: Sequence[str]) -> None:
        """Until all have ended, one has failed or fallen silent, or a stop is asked for."""
        while not self._stopping.is_set():
            self._note_ends(here)
            if any(self._ended.values()) or len(self._ended) == len(here):
                return
            if any(self._is_silent(name) for name in here):
                return
            time.sleep(POLL_SECONDS)

    def _note_ends(self, here: Sequence[str]) -> None:
        """Keep the codes of nodes that have ended since the last look; of two, that of the earlier
        in DVDGAN_NODES comes first."""
        for name in here:
            code = self._code(name)
            if code is not None:
                self._ended.setdefault(name, code)

    def _lost_at_the_end(self) -> list[str]:
        """Wait until every node that was here has ended; those that do not are named."""
        deadline = time.monotonic() + STOP_GRACE_SECONDS + self._timeout
        while True:
            running = [name for name in self._launch_ids if self._was_here(name)]
            self._note_ends(running)
            running = [name for name in running if self._code(name) is None]
            if all(map(self._is_silent, running)) or time.monotonic() > deadline:
                for name in running:
                    self._tell(
                        f"node {name} is lost: nothing was heard of it for {self._timeout:g} s"
                    )
                return running
            time.sleep(POLL_SECONDS)

    def _listener(self, name: str) -> HeartbeatReader:
        return HeartbeatReader(node_file(self._run, name))

    def _new_launch_id(self) -> str:
        return uuid.uuid4().hex

    def _was_here(self, name: str) -> bool:
        return self._listeners[name].read().get("launch_id") == self._launch_ids.get(name)

    def _is_silent(self, name: str) -> bool:
        """Whether a node whose trainer has not ended is not heard of any more."""
        ended = self._code(name) is not None
        return not ended and self._listeners[name].seconds_since_last_seen() > self._timeout

    def _is_here(self, name: str) -> bool:
        return self._was_here(name) and self._code(name) is None and not self._is_silent(name)

    def _code(self, name: str) -> int | None:
        code: int | None = (
            self._listeners[name].read().get("code") if self._was_here(name) else None
        )
        return code
