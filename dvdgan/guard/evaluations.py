"""Evaluations of checkpoints as child processes, retried a few times when they fail."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from typing import Any, NamedTuple

from dvdgan.guard.health import Intervals, Numbers
from dvdgan.guard.killing import await_end
from dvdgan.guard.ledger import with_current_keys
from dvdgan.guard.parent_death_signal import WITH_PARENT_DEATH_SIGNAL, parent_variable
from dvdgan.guard.run_folder import RunFolder
from dvdgan.storage.local import read_json

# Seconds before the second attempt, the third, ...; one attempt more than pauses.
RETRY_PAUSES = (1.0, 5.0, 25.0)
# An evaluation shows its progress on stderr; one that is silent for so long hangs, and is killed.
SILENCE_SECONDS = 3600.0
# How much of its last attempt's stderr a failed evaluation reports.
REASON_LINES = 3
REASON_CHARACTERS = 300
TRACEBACK = "Traceback (most recent call last)"
# After the end of a process, for what it wrote to arrive; a child it left may hold its pipe open.
STDERR_SECONDS = 2.0


class EvaluationResult(NamedTuple):
    """A checkpoint's FID, FVD and IS, and the health metrics of its samples; None: not finite."""

    metrics: Numbers
    health: Numbers
    intervals: Intervals | None = None
    """95% intervals of the distances they were computed for."""
    names: dict[str, str] | None = None
    """The full name of each metric."""
    mean_clip: dict[str, Any] | None = None
    """Metrics, intervals and names of the mean clip; of step 0, the untrained generator, alone."""


class EvaluationFailedError(Exception):
    """Every attempt to evaluate a checkpoint failed. ``reasons``: how the last attempt ended (exit
    code or signal), and the last lines of its stderr without tracebacks' frames."""

    def __init__(self, checkpoint: str, reasons: list[str]) -> None:
        self.reasons = reasons
        super().__init__(f"the evaluation of {checkpoint} failed: {'; '.join(reasons)}")


class EvaluationProcess:
    """The evaluation of one checkpoint, started by the first call of `done`.

    A result that is already in the run folder is not measured again. The process ends when its
    supervisor does. If it fails, it is retried after each of RETRY_PAUSES. One thread may call
    `done` while another cancels.
    """

    def __init__(self, run: RunFolder, step: int) -> None:
        self.step = step
        self.cancelled = False
        self._checkpoint = run.checkpoint(step)
        self._result = run.evaluation(step)
        self._attempt: _Attempt | None = None
        self._pauses = list(RETRY_PAUSES)
        self._retry_at = 0.0
        self._reasons: list[str] = []
        self._lock = threading.Lock()

    @property
    def measured(self) -> bool:
        """Whether there is a result, whoever measured it."""
        return self._result.exists()

    def done(self) -> bool:
        """Whether it was measured, cancelled, or has failed after all retries."""
        with self._lock:
            if self.cancelled or self._reasons:
                return True
            if self._attempt is None:
                if not self.measured and time.monotonic() >= self._retry_at:
                    self._begin()
                return self.measured
            if self._attempt.runs():
                return False
            if not self.measured:
                self._retry_or_give_up(self._attempt.reasons())
            return self.measured or bool(self._reasons)

    def result(self) -> EvaluationResult:
        """What was measured. Raises EvaluationFailedError if every attempt failed."""
        if not self.measured:
            raise EvaluationFailedError(self._checkpoint.name, self._reasons)
        found = with_current_keys(read_json(self._result))
        known = (name for name in EvaluationResult._fields if name in found)
        return EvaluationResult(**{name: found[name] for name in known})

    def cancel(self) -> None:
        with self._lock:
            self.cancelled = True
            if self._attempt is not None and self._attempt.process.poll() is None:
                self._attempt.process.kill()
                await_end(self._attempt.process)

    def _begin(self) -> None:
        command = ["dvdgan", "evaluate", "--checkpoint", str(self._checkpoint)]
        self._attempt = _Attempt([sys.executable, "-m", *command, "--write", str(self._result)])

    def _retry_or_give_up(self, reasons: list[str]) -> None:
        if not self._pauses:
            self._reasons = reasons
            return
        pause = self._pauses.pop(0)
        print(
            f"train: the evaluation of {self._checkpoint.name} failed ({reasons[0]}); "
            f"next attempt in {pause:g} s",
            file=sys.stderr,
            flush=True,
        )
        self._attempt, self._retry_at = None, time.monotonic() + pause


class _Attempt:
    """One process. Its stderr is copied to ours; the last lines are kept."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            [*WITH_PARENT_DEATH_SIGNAL, *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the supervisor, which then cancels this
            env=_environment(),
            text=True,
            errors="replace",
        )
        self._last: deque[str] = deque(maxlen=REASON_LINES)
        self._last_output = time.monotonic()
        self._reader = threading.Thread(target=self._copy_stderr, daemon=True)
        self._reader.start()

    def runs(self) -> bool:
        """Whether the process runs; one that hangs is killed."""
        if self.process.poll() is None and time.monotonic() - self._last_output > SILENCE_SECONDS:
            self._last.append(f"no output for {SILENCE_SECONDS:g} s")
            self.process.kill()
            await_end(self.process)
            return False
        return self.process.poll() is None

    def reasons(self) -> list[str]:
        """How the process, which has ended, ended; and its last lines."""
        code = await_end(self.process)
        self._reader.join(STDERR_SECONDS)
        how = f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
        return [how, *self._last]

    def _copy_stderr(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self._last_output = time.monotonic()
                # Our own stderr may be closed; a pipe that nobody reads would hold the child up.
                with contextlib.suppress(OSError, ValueError):
                    sys.stderr.write(line)
                    sys.stderr.flush()
                # Frames of a traceback are indented, and name paths of this machine.
                if line.strip() and not line[0].isspace() and not line.startswith(TRACEBACK):
                    self._last.append(line.rstrip()[:REASON_CHARACTERS])


def _environment() -> dict[str, str]:
    """The environment of an evaluation: it shares the cores with the trainer, so it takes half of
    them, and its waiting threads sleep. With OpenMP's defaults, as many spinning threads as cores
    on both sides, a training step during an evaluation took 29 s instead of 0.3 s on two cores."""
    half = max((os.cpu_count() or 2) // 2, 1)
    return {
        "OMP_NUM_THREADS": str(half),
        "OMP_WAIT_POLICY": "PASSIVE",
        **os.environ,
        **parent_variable(),
    }
