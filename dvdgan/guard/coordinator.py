"""The coordinator of a run on many nodes. To the supervisor, all nodes together are one trainer.

Every launch gathers the nodes, has their agents (guard/agent.py) train, and stops all of them when
one has ended or is lost. A `NodeLauncher` starts the agents (flows/nodes.py: a Prefect worker on
each host). From then on all is written to files in the run folder (guard/heartbeat.py): no step
waits for a server.
"""

import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Protocol

from dvdgan.errors import EXIT_INTERRUPTED
from dvdgan.guard.agent import GATHER, START_SECONDS, STOP, TRAIN, coordinator_file, node_file
from dvdgan.guard.heartbeat import Heartbeat, HeartbeatReader
from dvdgan.guard.run_folder import RunFolder
from dvdgan.guard.torchrun import environment_file
from dvdgan.guard.trainer_process import STOP_GRACE_SECONDS
from dvdgan.machine import Machine
from dvdgan.machine.keys import GO_ON

WAITING, BEGUN, ENDED = "waiting", "begun", "ended"
EXIT_FAILED = 1
POLL_SECONDS = 0.25
# Between two looks at the runs of nodes that have not joined.
LAUNCHER_POLL_SECONDS = 2.0
# Where torchrun's ranks meet: a port for each launch, so that two on one host do not meet.
# Linux gives outgoing connections the ports from 32768 on.
FIRST_PORT, PORTS = 15000, 15000


class NodeLauncher(Protocol):
    """Starts agents (`serve` in guard/agent.py) on the hosts, one run per node and launch."""

    def start(self, name: str, launch_id: str) -> bool:
        """Request a run of node ``name`` with ``launch_id``; it begins when the host is there.

        Returns False if the request failed. Two requests with one ``launch_id`` start one run.
        """

    def state(self, name: str) -> str | None:
        """WAITING for the host, BEGUN (it may have crashed since), or ENDED in an orderly way; None
        if this is not known now."""

    def give_up(self, name: str) -> None:
        """Close the run of a node that does not answer or has not started."""


class Coordinator:
    """All nodes as one trainer.

    A node without a heartbeat is reported as lost and the others are stopped. Then all start again
    from the last checkpoint, with or without the lost node as set by DVDGAN_LOST_NODE. ``warn``
    gets one line per warning.
    """

    def __init__(
        self,
        run: RunFolder,
        machine: Machine,
        launcher: NodeLauncher,
        warn: Callable[[str], None],
    ) -> None:
        self._run, self._machine, self._launcher = run, machine, launcher
        self._warn = warn
        self._stopping = threading.Event()
        self._code: int | None = None
        # A thread, so that no evaluation, pause or server delays the coordinator. It keeps the
        # context, in which Prefect finds the flow run this belongs to.
        work = copy_context().run
        self._thread = threading.Thread(
            target=work, args=(self._work,), name="coordinator", daemon=True
        )
        self._thread.start()

    def poll(self) -> int | None:
        """The exit code, or None while nodes train or are waited for."""
        return self._code

    def stop(self) -> int:
        """Have all nodes save and end; returns when each has, or is named lost."""
        self._stopping.set()
        self._thread.join()
        assert self._code is not None
        return self._code

    def _work(self) -> None:
        code: int | None = None
        try:
            while code is None:
                self._run.failure.unlink(missing_ok=True)
                self._run.interrupted.unlink(missing_ok=True)
                code = _Launch(
                    self._run, self._machine, self._launcher, self._warn, self._stopping
                ).run()
        except Exception:
            traceback.print_exc(file=sys.stderr)  # a bug; the supervisor ends by the code
        finally:
            self._code = EXIT_FAILED if code is None else code


class _Node:
    """One node in one launch, as its heartbeat shows it."""

    def __init__(self, run: RunFolder, name: str, address: str, timeout: float) -> None:
        self.name, self.address = name, address
        self._file, self._timeout = node_file(run, name), timeout
        self.renew()

    def renew(self) -> None:
        """Expect another run of this node: none that was requested before counts."""
        self.launch_id = uuid.uuid4().hex
        self.requested = False
        self.watch()

    def watch(self) -> None:
        """Count the seconds without a heartbeat from now on."""
        self._heartbeat = HeartbeatReader(self._file)

    @property
    def joined(self) -> bool:
        return bool(self._heartbeat.read().get("launch_id") == self.launch_id)

    @property
    def exit_code(self) -> int | None:
        """That of its torchrun; None until it has ended."""
        code: int | None = self._heartbeat.read().get("code") if self.joined else None
        return code

    def seconds_since_last_seen(self) -> float:
        return self._heartbeat.seconds_since_last_seen()

    @property
    def silent(self) -> bool:
        """Whether it has not ended and has no heartbeat any more."""
        return self.exit_code is None and self.seconds_since_last_seen() > self._timeout

    @property
    def ready(self) -> bool:
        return self.joined and self.exit_code is None and not self.silent


class _Launch:
    """One launch: gather the nodes, have them train, stop all at the first end or loss."""

    def __init__(
        self,
        run: RunFolder,
        machine: Machine,
        launcher: NodeLauncher,
        warn: Callable[[str], None],
        stopping: threading.Event,
    ) -> None:
        self._run, self._machine, self._launcher = run, machine, launcher
        self._warn, self._stopping = warn, stopping
        self._run_id = uuid.uuid4().hex
        self._timeout = machine.nodes.timeout
        self._nodes = [_Node(run, *each, self._timeout) for each in machine.nodes.hosts]
        self._codes: dict[str, int] = {}  # exit codes, in the order in which they were seen

    def run(self) -> int | None:
        """The exit code; None if a node was lost, so that another launch is due."""
        path = coordinator_file(self._run)
        variables = path.with_name(f"environment-{self._run_id}.json")
        with (
            environment_file(variables),
            Heartbeat(
                path, launch_ids=self._launch_ids(), timeout=self._timeout, state=GATHER, spec=None
            ) as heartbeat,
        ):
            ready = self._gather(heartbeat)
            if ready:
                for node in self._nodes:
                    if node not in ready:  # it may come, but too late
                        self._launcher.give_up(node.name)
                self._nodes = ready
                spec = self._spec() | {"environment": variables.name}
                heartbeat.update(state=TRAIN, launch_ids=self._launch_ids(), spec=spec)
                self._wait_for_one()
            heartbeat.update(state=STOP)
            lost = self._wait_for_all()
            for node in self._nodes:
                if node.exit_code is None:
                    self._launcher.give_up(node.name)
        if self._stopping.is_set():
            return EXIT_INTERRUPTED
        if lost and not self._run.failure.exists():
            return None
        codes = list(self._codes.values())
        # Nodes that the coordinator stopped are interrupted; the first of the others is the reason.
        failures = (code for code in codes if code not in (0, EXIT_INTERRUPTED))
        return next(failures, max(codes, default=EXIT_FAILED))

    def _launch_ids(self) -> dict[str, str]:
        return {node.name: node.launch_id for node in self._nodes}

    def _gather(self, heartbeat: Heartbeat) -> list[_Node]:
        """The nodes that will train, in order; none after a stop, or where a run has ended."""
        began, warned, looked = time.monotonic(), False, float("-inf")
        while not self._stopping.is_set():
            ready = [node for node in self._nodes if node.ready]
            late = [node for node in self._nodes if node not in ready]
            if not late:
                return ready
            names = ", ".join(node.name for node in late)
            overdue = time.monotonic() - began > self._timeout
            if overdue and ready and self._machine.nodes.lost == GO_ON:
                self._warn(f"node {names} did not start in time: training continues without it")
                return ready
            if overdue and not warned:
                warned = True
                self._warn(f"waiting for node {names}: start its worker")
            if time.monotonic() - looked > LAUNCHER_POLL_SECONDS:
                if any(self._ended_early(node) for node in late):
                    return []
                heartbeat.update(launch_ids=self._launch_ids())
                looked = time.monotonic()
            time.sleep(POLL_SECONDS)
        return []

    def _ended_early(self, node: _Node) -> bool:
        """Have a run for a node that is not ready; True if it ended and no other is wanted."""
        if not node.requested:
            node.watch()
            node.requested = self._launcher.start(node.name, node.launch_id)
            return False
        state = self._launcher.state(node.name)
        limit = self._timeout if node.joined else START_SECONDS
        if state == ENDED:
            self._warn(f"the run of node {node.name} ended before training: see its log")
            return True
        if state == WAITING:
            node.watch()  # it cannot have a heartbeat yet
        elif state == BEGUN and node.seconds_since_last_seen() > limit:
            self._warn(f"node {node.name} started but has no heartbeat: it is restarted")
            self._launcher.give_up(node.name)
            node.renew()
        return False

    def _spec(self) -> dict[str, Any]:
        """The launch spec: what is equal on every node."""
        first, port = self._nodes[0].address, FIRST_PORT + int(self._run_id, 16) % PORTS
        return {
            "nodes": len(self._nodes),
            "processes": self._machine.nodes.processes,
            "endpoint": f"[{first}]:{port}" if ":" in first else f"{first}:{port}",
            "run_id": self._run_id,
        }

    def _wait_for_one(self) -> None:
        """Until all have ended, one has failed or is silent, or a stop is requested."""
        while not self._stopping.is_set():
            self._record_codes()
            if any(self._codes.values()) or len(self._codes) == len(self._nodes):
                return
            if any(node.silent for node in self._nodes):
                return
            time.sleep(POLL_SECONDS)

    def _wait_for_all(self) -> list[_Node]:
        """Until every node that joined has ended; returns those that do not, which are named."""
        deadline = time.monotonic() + STOP_GRACE_SECONDS + self._timeout
        while True:
            self._record_codes()
            left = [node for node in self._nodes if node.joined and node.exit_code is None]
            if all(node.silent for node in left) or time.monotonic() > deadline:
                for node in left:
                    self._warn(f"node {node.name} is lost: no heartbeat for {self._timeout:g} s")
                return left
            time.sleep(POLL_SECONDS)

    def _record_codes(self) -> None:
        """Keep the codes of nodes that have ended since the last look; of two, that of the earlier
        in DVDGAN_NODES comes first."""
        for node in self._nodes:
            if node.exit_code is not None:
                self._codes.setdefault(node.name, node.exit_code)
