"""The trainer as a child process, and how it is stopped."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence

from dvdgan.guard.killing import await_end, kill_tagged, new_process_tag, tagged_processes
from dvdgan.guard.parent_death_signal import WITH_PARENT_DEATH_SIGNAL, parent_variable
from dvdgan.guard.run_folder import RunFolder
from dvdgan.machine import Machine

STOP_GRACE_SECONDS = 120.0
STOP_POLL_SECONDS = 0.1


class TrainerProcess:
    """A trainer in a session of its own: a Ctrl-C at the terminal reaches only its supervisor.

    It ends when its supervisor does, however that ends.
    """

    def __init__(
        self,
        run: RunFolder,
        launcher: Sequence[str] | None = None,
        variables: Mapping[str, str] | None = None,
        output: int | None = None,
    ) -> None:
        """Start it by the command ``launcher`` (None: DVDGAN_LAUNCHER's).

        ``variables`` are added to its environment; ``output`` is where both of its streams go, as
        Popen's stdout.
        """
        if launcher is None:
            launcher = Machine.load().launch.launcher
        self._tag = new_process_tag()
        self._process = subprocess.Popen(
            [*WITH_PARENT_DEATH_SIGNAL, *launcher, "dvdgan.training", str(run.root)],
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
        """The process id of the trainer, or of the launcher of several."""
        return self._process.pid

    def lines(self) -> Iterator[str]:
        """The lines that a trainer with output PIPE prints, until it and all that it started have
        ended."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield line.decode("utf-8", "replace").rstrip("\n")

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.poll()

    def stop(self, grace: float = STOP_GRACE_SECONDS) -> int:
        """Stop it by SIGTERM, on which it saves a checkpoint, and by SIGKILL after ``grace``
        seconds. Returns the exit code.

        Nothing that it started is left, not even ranks whose launcher died before them. A process
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
