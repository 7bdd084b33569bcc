"""Which checkpoints are evaluated, and the record of each: its samples, and the training before."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dvdgan.guard import ledger
from dvdgan.guard.evaluations import EvaluationResult
from dvdgan.guard.health import SUSPECT, EvaluationRecord, alarming, training_health
from dvdgan.guard.run_folder import RunFolder

if TYPE_CHECKING:
    from dvdgan.config.schema import Train

BLOCK_BYTES = 1 << 20


class EvaluationScheduler:
    """Looks at the checkpoints of one run strictly in the order of steps, so that what is evaluated
    and judged depends on what was trained, never on timing."""

    def __init__(self, run: RunFolder, train: "Train") -> None:
        self._run, self._train = run, train
        self._passed: set[int] = set()  # not worth an evaluation, or it failed

    def next_due(self) -> int | None:
        """The first saved checkpoint after the last record that is to be evaluated now, if any.

        Before all of them step 0, which means the baseline. Due are those on the schedule, and the
        last; all while the run is suspect; and those before which training itself was alarming. A
        checkpoint of an interruption is on no schedule.
        """
        events = ledger.read(self._run.ledger)
        if ledger.baseline(events) is None:
            return 0
        evaluated = ledger.evaluations(events)
        last = evaluated[-1]["step"] if evaluated else 0
        suspect = bool(evaluated) and evaluated[-1]["verdict"] == SUSPECT
        for step in self._run.saved_steps():
            if step <= last or step in self._passed or not self._scheduled(step):
                continue
            if self._planned(step) or suspect or self._alarmed(step, evaluated):
                return step
            self._passed.add(step)
        return None

    def skip(self, step: int) -> None:
        """Evaluate this checkpoint no more: its evaluation failed. Another scheduler tries it
        again, unless a later one was judged meanwhile."""
        self._passed.add(step)

    def record(self, step: int, result: EvaluationResult) -> EvaluationRecord:
        """The record of a checkpoint: the ``result`` of its evaluation, and the training since the
        record before."""
        evaluated = ledger.evaluations(ledger.read(self._run.ledger))
        after = evaluated[-1]["step"] if evaluated else 0
        lines = lines_between(self._run.metrics, after + 1, step)
        spectra = lines_between(self._run.spectra, after, step)
        training = training_health(lines, spectra)
        extras = result.intervals or {}, result.names or {}
        return EvaluationRecord(step, result.metrics, result.health, training, *extras)

    def _scheduled(self, step: int) -> bool:
        return step % self._train.checkpoint_every == 0 or step == self._train.steps

    def _planned(self, step: int) -> bool:
        return step % self._train.guard.evaluate_every == 0 or step == self._train.steps

    def _alarmed(self, step: int, evaluated: list[ledger.Event]) -> bool:
        earlier = [EvaluationRecord.of(event) for event in evaluated]
        return alarming(self.record(step, EvaluationResult({}, {})), earlier, self._train.guard)


def lines_between(path: Path, first: int, last: int) -> list[dict[str, Any]]:
    """The lines of a telemetry file of the steps ``first`` to ``last``, both included, in order.

    Reads from the end of the file, and no further back than it must: it grows with the run.
    """
    if not path.is_file():
        return []
    tail = b""
    with path.open("rb") as file:
        start = file.seek(0, 2)
        while start > 0 and not _reaches_back(tail, first):
            size = min(BLOCK_BYTES, start)
            start -= size
            file.seek(start)
            tail = file.read(size) + tail
    lines = map(json.loads, _whole_lines(tail, begins_whole=start == 0))
    return [line for line in lines if first <= line["step"] <= last]


def _reaches_back(tail: bytes, first: int) -> bool:
    lines = _whole_lines(tail, begins_whole=False)
    return bool(lines) and bool(json.loads(lines[0])["step"] < first)


def _whole_lines(tail: bytes, begins_whole: bool) -> list[bytes]:
    """Without the rest of a line at the beginning and one that is being written at the end."""
    begin = 0 if begins_whole else tail.find(b"\n") + 1
    return tail[begin : tail.rfind(b"\n") + 1].splitlines()
