"""The trainer as a child process, and how it is stopped."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

from dvdgan.guard.environment import RunEnvironment
from dvdgan.guard.killing import await_end
from dvdgan.guard.parent_death_signal import parent_variable
from dvdgan.guard.process_tag import kill_tagged, new_process_tag, tagged_processes
from dvdgan.guard.run_folder import RunFolder

STOP_GRACE_SECONDS = 120.0
STOP_POLL_SECONDS = 0.1

WITH_PARENT_DEATH_SIGNAL = (sys.executable, "-m", "dvdgan.guard.parent_death_signal")


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
        """Start it by the words ``launcher`` (None: DVDGAN_LAUNCHER's) with more ``variables``.

        ``output``: where both its streams go, as Popen's stdout.
        """
        if launcher is None:
            launcher = RunEnvironment.from_environment().launcher
        self._tag = new_process_tag()
        self._process = subprocess.Popen(
            [*WITH_PARENT_DEATH_SIGNAL, *launcher, "dvdgan.training", str(run.root)],
            start_new_session=True,
            # A store shared by all of torchrun's restarts lets a process find addresses of dead
            # ones.
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
        """Of the trainer, or of the launcher of several."""
        return self._process.pid

    def lines(self) -> Iterator[str]:
        """What a trainer with output PIPE prints, until it and all it started have ended."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield line.decode("utf-8", "replace").rstrip("\n")

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.poll()

    def stop(self, grace: float = STOP_GRACE_SECONDS) -> int:
        """Ask for a checkpoint and an end (SIGTERM); after ``grace`` seconds insist (SIGKILL).

        Nothing it started is left: not ranks whose launcher died before them either. A process
        that even SIGKILL does not end within KILL_SECONDS is named (guard/killing.py).
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
