"""Which checkpoints are evaluated, and what the guard reads of each."""

from typing import TYPE_CHECKING

from dvdgan.guard import ledger
from dvdgan.guard.evaluation_record import EvaluationRecord
from dvdgan.guard.evaluations import Measured
from dvdgan.guard.health import SUSPECT, alarming
from dvdgan.guard.run_folder import RunFolder
from dvdgan.guard.training_health import lines_between, training_health

if TYPE_CHECKING:
    from dvdgan.config.schema import Train


class EvaluationScheduler:
    """Looks at the checkpoints of one run strictly in the order of steps, so that what is evaluated
    and judged depends on what was trained, never on timing."""

    def __init__(self, run: RunFolder, train: "Train") -> None:
        self._run, self._train = run, train
        self._passed: set[int] = set()  # not worth an evaluation, or it failed

    def next_due(self) -> int | None:
        """The first saved checkpoint after the last reading that is to be evaluated now, if any.

        Before all of them step 0, which stands for the baseline. Those on the schedule are, and the
        last; all while the run is suspect; and those before which training itself gave a sign. A
        checkpoint of an interruption is on no schedule.
        """
        noted = ledger.read(self._run.ledger)
        if ledger.baseline(noted) is None:
            return 0
        events = ledger.evaluations(noted)
        last = events[-1]["step"] if events else 0
        suspect = bool(events) and events[-1]["verdict"] == SUSPECT
        for step in self._run.saved_steps():
            if step <= last or step in self._passed or not self._scheduled(step):
                continue
            if self._planned(step) or suspect or self._alarmed(step, events):
                return step
            self._passed.add(step)
        return None

    def skip(self, step: int) -> None:
        """Evaluate this checkpoint no more: its evaluation failed. Another Watch tries it again,
        unless a later one was judged meanwhile."""
        self._passed.add(step)

    def read(self, step: int, measured: Measured) -> EvaluationRecord:
        """All that is known of a checkpoint, its ``measured`` samples included."""
        events = ledger.evaluations(ledger.read(self._run.ledger))
        after = events[-1]["step"] if events else 0
        lines = lines_between(self._run.metrics, after + 1, step)
        spectra = lines_between(self._run.spectra, after, step)
        training = training_health(lines, spectra)
        extras = measured.intervals or {}, measured.names or {}
        return EvaluationRecord(step, measured.metrics, measured.health, training, *extras)

    def _scheduled(self, step: int) -> bool:
        return step % self._train.checkpoint_every == 0 or step == self._train.steps

    def _planned(self, step: int) -> bool:
        return step % self._train.guard.evaluate_every == 0 or step == self._train.steps

    def _alarmed(self, step: int, events: list[ledger.Event]) -> bool:
        readings = [EvaluationRecord.of(event) for event in events]
        return alarming(self.read(step, Measured({}, {})), readings, self._train.guard)
