"""Saves checkpoints and previews in a background thread during training."""

import sys
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from dvdgan.errors import InterruptedRunError, UserError
from dvdgan.guard.run_folder import RunFolder, step_name
from dvdgan.storage.local import is_full, write_bytes
from dvdgan.training.checkpoint import StagedCheckpoint
from dvdgan.training.preview import SampleSheet
from dvdgan.training.runtime import Runtime
from dvdgan.training.spectrum import largest_singular_values
from dvdgan.training.state import TrainState
from dvdgan.training.stop_request import StopDeadline, StopRequest
from dvdgan.training.telemetry import Telemetry

if TYPE_CHECKING:
    from dvdgan.config.schema import Train

POLL_SECONDS = 0.5
RETRY_SECONDS = 5.0


class CheckpointManager:
    """Saves on schedule, and on every process at the same step when a stop is requested.

    The main process copies the state and continues; a thread writes the copy. If the disk is
    full, all processes pause together until there is room.
    """

    def __init__(
        self, run: RunFolder, train: "Train", fingerprint: str, runtime: Runtime, sheet: SampleSheet
    ) -> None:
        self._run, self._train, self._fingerprint = run, train, fingerprint
        self._runtime, self._sheet = runtime, sheet
        self._stop = StopRequest()
        self._deadline = StopDeadline() if runtime.world_size > 1 else None
        self._writer = BackgroundWriter()
        self._staged = StagedCheckpoint()
        self._allocated = False

    def after_step(self, state: TrainState, telemetry: Telemetry | None) -> bool:
        """Save and preview what is due after this step; whether to stop, with the state saved.

        Raises InterruptedRunError if a stop is requested and the disk is full.
        """
        self._writer.check()
        if self._runtime.is_main and not self._allocated:
            self._allocated = True
            self._writer.submit("memory for checkpoints", self._staged.allocate(state))
        stopping, blocked = self._runtime.any(self._stop.requested, bool(self._writer.blocked))
        if self._deadline is not None:
            self._deadline.step_ended()
        self._cancel_deadline(stopping)
        last = state.step == self._train.steps
        if blocked:
            self.finish_writing()
        if last or state.step % self._train.preview_every == 0:
            self._preview(state, telemetry)
        if last or stopping or state.step % self._train.checkpoint_every == 0:
            self.finish_writing()
            self._save(state)
        if last or stopping:
            self.finish_writing()
        return stopping

    def finish_writing(self) -> None:
        """Wait, all processes together, until everything is written."""
        while True:
            done = self._writer.wait(POLL_SECONDS)
            writing, stopping, blocked = self._runtime.any(
                not done, self._stop.requested, bool(self._writer.blocked)
            )
            self._cancel_deadline(stopping)
            if not writing:
                return
            if blocked and stopping:
                self._writer.give_up()
                raise InterruptedRunError(
                    "stopped while the disk was full; the last checkpoint is valid"
                )

    def _cancel_deadline(self, stopping: bool) -> None:
        if stopping and self._deadline is not None:
            self._deadline.cancel()

    def _preview(self, state: TrainState, telemetry: Telemetry | None) -> None:
        if telemetry is None:  # not the main process
            return
        files = self._sheet.draw(state.average)
        for suffix, content in files.items():
            path = self._run.samples / f"{step_name(state.step)}{suffix}"
            self._writer.submit(path.name, partial(write_bytes, path, content))
        telemetry.show(state.step, files)
        telemetry.record_spectra(
            state.step,
            generator=largest_singular_values(state.generator),
            discriminators=largest_singular_values(state.discriminators),
        )

    def _save(self, state: TrainState) -> None:
        if self._runtime.is_main:
            self._staged.stage(
                state, fingerprint=self._fingerprint, conditions=self._runtime.conditions()
            )
            folder = self._run.checkpoint(state.step)
            self._writer.submit(folder.name, partial(self._staged.write, folder))


class BackgroundWriter:
    """One thread that runs writing jobs in the order they were submitted.

    A job that fails must leave nothing behind. Where it fails because the disk is full it is
    retried until there is room, and `blocked` is set; any other failure is raised by `check`.
    """

    def __init__(self, retry_seconds: float = RETRY_SECONDS) -> None:
        self.blocked: str | None = None
        """What cannot be written because the disk is full; None: nothing."""
        self._retry_seconds = retry_seconds
        self._jobs: deque[tuple[str, Callable[[], None]]] = deque()  # the first one is running
        self._changed = threading.Condition()
        self._failure: Exception | None = None
        self._given_up = False
        threading.Thread(target=self._work, name="writer", daemon=True).start()

    def submit(self, what: str, write: Callable[[], None]) -> None:
        """Queue ``write``. ``what`` names the file in messages."""
        with self._changed:
            self._jobs.append((what, write))
            self._changed.notify_all()

    def check(self) -> None:
        """Raise what a job raised; UserError if the disk refused it."""
        if isinstance(self._failure, OSError):
            raise UserError(
                f"the run folder cannot be written: {self._failure.strerror}",
                where=str(self._failure.filename or ""),
                todo="fix the disk or its permissions; the same command resumes from the last "
                "checkpoint",
            ) from self._failure
        if self._failure is not None:
            raise self._failure

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for all submitted jobs; whether they are done. Raises as `check` does."""
        with self._changed:
            done = self._changed.wait_for(lambda: self._failure or not self._jobs, seconds)
        self.check()
        return bool(done)

    def give_up(self) -> None:
        """Drop the job that waits for room on the disk, and those behind it."""
        with self._changed:
            self._given_up = True
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs)
                what, write = self._jobs[0]
            try:
                self._run_job(what, write)
            except Exception as failure:  # raised again in the thread that trains
                with self._changed:
                    self._failure = failure
                    self._changed.notify_all()
                return
            with self._changed:
                self._jobs.popleft()
                self._changed.notify_all()

    def _run_job(self, what: str, write: Callable[[], None]) -> None:
        while not self._given_up:
            try:
                write()
            except OSError as error:
                if not is_full(error):
                    raise
                if self.blocked is None:
                    _print(
                        f"paused because {what} cannot be written: {error.strerror}. Free some "
                        "space to continue, or stop the run; the last checkpoint is valid"
                    )
                self.blocked = what
                with self._changed:
                    self._changed.wait_for(lambda: self._given_up, self._retry_seconds)
            else:
                if self.blocked is not None:
                    _print(f"{what} has been written; training continues")
                self.blocked = None
                return


def _print(line: str) -> None:
    print(f"train: {line}", file=sys.stderr, flush=True)
