"""The coordinator of a run on many nodes: one trainer to the supervisor, made of one per host.

Who starts the nodes is handed in (flows/nodes.py: a Prefect worker on each host). From then on all
is written to files in the run folder (guard/heartbeat.py): no step waits for a server.
"""

import sys
import threading
import traceback
from collections.abc import Callable
from contextvars import copy_context

from dvdgan.guard.environment import RunEnvironment
from dvdgan.guard.launch import Launch, NodeLauncher
from dvdgan.guard.run_folder import RunFolder

EXIT_BROKEN = 1


class Coordinator:
    """All nodes as one trainer.

    A node that falls silent is named lost and the others are stopped; then all start again from the
    last checkpoint, when it is back or without it, as DVDGAN_LOST_NODE says.
    """

    def __init__(
        self,
        run: RunFolder,
        environment: RunEnvironment,
        runs: NodeLauncher,
        tell: Callable[[str], None],
    ) -> None:
        self._run, self._environment, self._runs, self._tell = run, environment, runs, tell
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
                launch = Launch(
                    self._run, self._environment, self._runs, self._tell, self._stopping
                )
                code = launch.outcome()
        except Exception:
            traceback.print_exc(file=sys.stderr)  # a bug; the supervisor ends by the code
        finally:
            self._code = EXIT_BROKEN if code is None else code
