"""Processes that a launcher starts (torchrun, accelerate, srun), and how they are stopped."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence

from dvdgan.guard.killing import await_end, kill_tagged, new_process_tag, tagged_processes
from dvdgan.guard.parent_death_signal import WITH_PARENT_DEATH_SIGNAL, parent_variable

STOP_POLL_SECONDS = 0.1


class LaunchedProcesses:
    """Processes in a session of their own: a Ctrl-C at the terminal reaches only this process.

    They end when this process does, however that ends.
    """

    def __init__(
        self,
        command: Sequence[str],
        variables: Mapping[str, str] | None = None,
        output: int | None = None,
    ) -> None:
        """Start them by ``command``, a launcher with a module and its arguments.

        ``variables`` are added to their environment; ``output`` is where both of their streams go,
        as Popen's stdout.
        """
        self._tag = new_process_tag()
        self._process = subprocess.Popen(
            [*WITH_PARENT_DEATH_SIGNAL, *command],
            start_new_session=True,
            # In a store that all of torchrun's restarts share, a rank finds addresses of dead ones.
            env={"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
            | os.environ
            | parent_variable()
            | self._tag
            | dict(variables or {}),
            stdout=output,
            stderr=output and subprocess.STDOUT,
        )

    @property
    def pid(self) -> int:
        """The process id of the launcher."""
        return self._process.pid

    def lines(self) -> Iterator[str]:
        """The lines that they print with output PIPE, until all of them have ended."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield line.decode("utf-8", "replace").rstrip("\n")

    def poll(self) -> int | None:
        """The launcher's exit code, or None while it runs."""
        return self._process.poll()

    def stop(self, grace: float) -> int:
        """Stop them by SIGTERM, and by SIGKILL after ``grace`` seconds. Returns the launcher's exit
        code.

        Nothing that they started is left, not even ranks whose launcher died before them. A process
        that SIGKILL does not end within KILL_SECONDS is named and left.
        """
        deadline = time.monotonic() + grace
        try:
            if self._process.poll() is None:
                self._process.terminate()
            while (self._process.poll() is None or tagged_processes(self._tag)) and (
                time.monotonic() < deadline
            ):
                time.sleep(STOP_POLL_SECONDS)
        finally:  # also when a second signal interrupts the waiting
            self._kill_all()
        return await_end(self._process)

    def _kill_all(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # nothing of that session is left
            os.killpg(self._process.pid, signal.SIGKILL)
        kill_tagged(self._tag)
