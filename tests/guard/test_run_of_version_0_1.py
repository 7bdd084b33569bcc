"""A run folder as version 0.1 wrote it: run_of_version_0_1 is the work of its supervisor.

It was killed after a rollback, when step 60 was measured and not yet judged. ended_early.jsonl and
never_learned.jsonl are ledgers of runs that came to these ends.
"""

import json
import shutil
from pathlib import Path

import pytest
from scripted_run import ScriptedActions, events

from dvdgan.config.schema import RunSettings, Train
from dvdgan.errors import UserError
from dvdgan.guard import ledger, supervisor
from dvdgan.guard.earlier_runs import local_runs
from dvdgan.guard.evaluations import EvaluationProcess
from dvdgan.guard.ledger import ScheduleOverride
from dvdgan.guard.origin import RunOrigin
from dvdgan.guard.run_choice import RunRequest, choose
from dvdgan.guard.run_folder import RunFolder, latest_valid
from dvdgan.guard.supervisor import PendingEvaluation
from dvdgan.reporting.charts import health_curves, metric_curves

FOLDER = Path(__file__).parent / "run_of_version_0_1"
OLD_KEYS = {"attempt", "signs"}


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setattr(supervisor, "POLL_SECONDS", 0.0)
    return RunFolder(shutil.copytree(FOLDER, tmp_path / "old"))


def train_of(run: RunFolder) -> Train:
    return RunSettings.model_validate_json(run.settings.read_text(encoding="utf-8")).train


class GoingOn(ScriptedActions):
    """Step 70 is scripted; for step 60 there is the result that version 0.1 has left."""

    def evaluate(self, run: RunFolder, step: int) -> PendingEvaluation:  # type: ignore[override]
        return EvaluationProcess(run, step) if step == 60 else super().evaluate(run, step)


def test_the_files_are_of_that_version() -> None:
    lines = (FOLDER / "ledger.jsonl").read_text().splitlines()
    keys = {key for line in lines for key in json.loads(line)}
    assert keys > OLD_KEYS and not keys & {"restart_index", "health"}
    (result,) = (FOLDER / "evaluations" / "1").iterdir()
    assert "signs" in json.loads(result.read_text())


@pytest.mark.parametrize("name", ["ledger", "ended_early", "never_learned"])
def test_its_ledgers_are_read_and_described(name: str) -> None:
    read = ledger.read(FOLDER / f"{name}.jsonl")
    assert not any(OLD_KEYS & event.keys() for event in read)
    for event in read:
        if event["event"] in ("evaluated", "not_evaluated", "rolled_back"):
            assert event["restart_index"] in (0, 1)
        if event["event"] == "evaluated":
            assert event["health"] == ({"diversity": 1.0} if event["metrics"]["FVD"] else {})
        assert ledger.describe(event)
    assert ledger.finished(read, 70) == (name != "ledger")


def test_the_supervisor_goes_on(old: RunFolder) -> None:
    assert old.schedule_override() == ScheduleOverride(1, 0.5, 1)
    assert latest_valid(old) == (60, [])
    actions = GoingOn([([70], 0)], {(1, 70): 65.0}, reach=5.0)
    assert supervisor.supervise(old, train_of(old), actions) == 60
    assert old.best_checkpoint() == old.checkpoint(60)
    *_, judged, last = events(old, "evaluated")
    assert (judged["step"], judged["restart_index"], judged["verdict"]) == (60, 1, "healthy")
    assert judged["health"] == {"diversity": 1.0}
    assert judged["training"]["generator_gradient"] == 31.0
    assert (last["step"], last["verdict"]) == (70, "healthy")


def test_its_ends_are_final(old: RunFolder) -> None:
    shutil.copy(FOLDER / "ended_early.jsonl", old.ledger)
    nothing = ScriptedActions([], {})
    assert supervisor.supervise(old, train_of(old), nothing) == 10
    shutil.copy(FOLDER / "never_learned.jsonl", old.ledger)
    with pytest.raises(UserError, match="the run never learned"):
        supervisor.supervise(old, train_of(old), nothing)


def test_the_report_has_curves_of_the_health_metrics() -> None:
    events = ledger.read(FOLDER / "ledger.jsonl")
    titles = {each.title for each in [*metric_curves(events), *health_curves(events)]}
    assert titles == {"FID", "FVD", "IS", "Variety of samples"}


def test_it_is_chosen_as_before(old: RunFolder) -> None:
    (run,) = local_runs(old.root.parent)
    assert (run.name, run.step, run.finished) == ("old", 60, False)
    origin = RunOrigin.of_files(old.settings.read_bytes(), old.provenance.read_bytes())
    assert choose(origin, [run], RunRequest(), old.root.parent, "fresh").name == "old"
    shutil.copy(FOLDER / "ended_early.jsonl", old.ledger)
    assert local_runs(old.root.parent)[0].finished
