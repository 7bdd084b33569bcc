"""Child processes the guard starts, and how they are stopped."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from dvdgan.errors import EXIT_INTERRUPTED, UserError
from dvdgan.guard.environment import RunEnvironment
from dvdgan.guard.lifeline import tied
from dvdgan.guard.marks import kill_marked, marked, new_mark
from dvdgan.guard.reading import Intervals, Numbers
from dvdgan.guard.run_folder import RunFolder
from dvdgan.storage.local import read_json

STOP_GRACE_SECONDS = 120.0
STOP_POLL_SECONDS = 0.1

LIFELINE = (sys.executable, "-m", "dvdgan.guard.lifeline")

MOST_EVALUATIONS = 3  # of one checkpoint


def _considerate() -> dict[str, str]:
    """The environment of an evaluation: it shares the cores with the trainer, so it takes half of
    them, and its waiting threads sleep. With OpenMP's defaults, as many spinning threads as cores
    on both sides, a training step beside an evaluation took 29 s instead of 0.3 s on two cores."""
    half = max((os.cpu_count() or 2) // 2, 1)
    return {"OMP_NUM_THREADS": str(half), "OMP_WAIT_POLICY": "PASSIVE", **os.environ, **tied()}


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
        self._mark = new_mark()
        self._process = subprocess.Popen(
            [*LIFELINE, *launcher, "dvdgan.training", str(run.root)],
            start_new_session=True,
            # A store shared by all of torchrun's restarts lets a process find addresses of dead
            # ones.
            env={"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
            | os.environ
            | tied()
            | self._mark
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

        Nothing it started is left: not ranks whose launcher died before them either.
        """
        deadline = time.monotonic() + grace
        try:
            if self._process.poll() is None:
                self._process.terminate()
            while (self._process.poll() is None or marked(self._mark)) and (
                time.monotonic() < deadline
            ):
                time.sleep(STOP_POLL_SECONDS)
        finally:  # also when a second signal interrupts the waiting
            self._kill_all()
        return self._process.wait()

    def _kill_all(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # nothing of that session is left
            os.killpg(self._process.pid, signal.SIGKILL)
        kill_marked(self._mark)


class Measured(NamedTuple):
    """A checkpoint's FID, FVD and IS, and the vital signs of its samples; None: not finite."""

    metrics: Numbers
    signs: Numbers
    intervals: Intervals | None = None
    """95% intervals of the distances they were computed for."""
    names: dict[str, str] | None = None
    """The full name of each metric."""
    mean_clip: dict[str, Any] | None = None
    """The same of the mean clip, measured with step 0, the untrained generator."""


class EvaluationProcess:
    """The evaluation of one checkpoint, begun when it is first asked whether it is done.

    So only the one whose turn it is runs. A result already in the run folder is not measured again.
    It ends when its supervisor does. When it is killed from outside it is begun again, at most
    MOST_EVALUATIONS times in all. One thread may ask while another cancels.
    """

    def __init__(self, run: RunFolder, step: int) -> None:
        self.step = step
        self.cancelled = False
        self._checkpoint = run.checkpoint(step)
        self._result = run.evaluation(step)
        self._process: subprocess.Popen[bytes] | None = None
        self._begun = 0
        self._lock = threading.Lock()

    @property
    def measured(self) -> bool:
        """Whether there is a result, whoever measured it."""
        return self._result.exists()

    def done(self) -> bool:
        with self._lock:
            if self.cancelled or (self._process is None and self.measured):
                return True
            process = self._process or self._begin()
            code = process.poll()
            if self._begun < MOST_EVALUATIONS and code is not None and _killed(code):
                name = self._checkpoint.name
                print(f"train: the evaluation of {name} was killed; once more", file=sys.stderr)
                self._begin()
                return False
            return code is not None

    def result(self) -> Measured:
        """What was measured. Raises UserError when the evaluation failed."""
        if not self.measured:
            raise UserError(
                f"the evaluation of {self._checkpoint.name} failed",
                where=str(self._checkpoint),
                todo="read its lines above; run `dvdgan evaluate --checkpoint` on that folder",
            )
        found = read_json(self._result)
        return Measured(**{name: found[name] for name in Measured._fields if name in found})

    def cancel(self) -> None:
        with self._lock:
            self.cancelled = True
            if self._process is not None and self._process.poll() is None:
                self._process.kill()
                self._process.wait()

    def _begin(self) -> "subprocess.Popen[bytes]":
        command = ["dvdgan", "evaluate", "--checkpoint", str(self._checkpoint)]
        self._process = subprocess.Popen(
            [*LIFELINE, sys.executable, "-m", *command, "--write", str(self._result)],
            stdout=subprocess.DEVNULL,
            env=_considerate(),
        )
        self._begun += 1
        return self._process


def _killed(code: int) -> bool:
    return code < 0 or code == EXIT_INTERRUPTED
