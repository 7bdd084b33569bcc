"""What a run leaves on the disk on its way: checkpoints and previews, written beside training."""

from functools import partial
from typing import TYPE_CHECKING

from dvdgan.errors import InterruptedRunError
from dvdgan.guard.run_folder import RunFolder, step_name
from dvdgan.storage.local import write_bytes
from dvdgan.training.checkpoint import StagedCheckpoint
from dvdgan.training.preview import SampleSheet
from dvdgan.training.runtime import Runtime
from dvdgan.training.spectrum import largest_singular_values
from dvdgan.training.state import TrainState
from dvdgan.training.stop_deadline import StopDeadline
from dvdgan.training.stopping import StopRequest
from dvdgan.training.telemetry import Telemetry
from dvdgan.training.writer import BackgroundWriter

if TYPE_CHECKING:
    from dvdgan.config.schema import Train

POLL_SECONDS = 0.5


class CheckpointManager:
    """Saves when it is time, and on every process at the same step when a stop is asked for.

    The main process copies the state and goes on; a thread writes the copy. Where the disk is full
    all processes pause together until there is room.
    """

    def __init__(
        self, run: RunFolder, train: "Train", fingerprint: str, runtime: Runtime, sheet: SampleSheet
    ) -> None:
        self._run, self._train, self._fingerprint = run, train, fingerprint
        self._runtime, self._sheet = runtime, sheet
        self._stop = StopRequest()
        self._deadline = StopDeadline() if runtime.world > 1 else None
        self._writer = BackgroundWriter()
        self._staged = StagedCheckpoint()
        self._reserved = False

    def keep(self, state: TrainState, telemetry: Telemetry | None) -> bool:
        """After every step: save what is due, show it. Whether to stop, the state being saved.

        Raises InterruptedRunError where a stop is asked for and the disk is full.
        """
        self._writer.check()
        if self._runtime.is_main and not self._reserved:
            self._reserved = True
            self._writer.submit("memory for checkpoints", self._staged.reserve(state))
        stopping, blocked = self._runtime.any(self._stop.requested, bool(self._writer.blocked))
        if self._deadline is not None:
            self._deadline.step_ended()
        self._heed(stopping)
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
        """Wait, all processes together, until nothing is left to write."""
        while True:
            done = self._writer.wait(POLL_SECONDS)
            writing, stopping, blocked = self._runtime.any(
                not done, self._stop.requested, bool(self._writer.blocked)
            )
            self._heed(stopping)
            if not writing:
                return
            if blocked and stopping:
                self._writer.give_up()
                raise InterruptedRunError(
                    "stopped while the disk is full; the last checkpoint is whole"
                )

    def _heed(self, stopping: bool) -> None:
        if stopping and self._deadline is not None:
            self._deadline.heed()

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
