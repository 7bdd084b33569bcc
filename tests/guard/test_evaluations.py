"""Evaluations that fail: child processes that really die, and what becomes of the run."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lax_guard import LAX

from dvdgan.config import load_config
from dvdgan.config.guard import Thresholds
from dvdgan.config.schema import Train
from dvdgan.errors import UserError
from dvdgan.guard import evaluations, ledger, supervisor
from dvdgan.guard.evaluations import EvaluationFailedError, EvaluationProcess
from dvdgan.guard.run_folder import RunFolder, write_manifest
from dvdgan.guard.supervisor import SupervisorActions

PROJECT = Path(__file__).resolve().parents[2]
PAUSES = evaluations.RETRY_PAUSES

Failures = Callable[[str], None]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """An empty run whose evaluations are those of tests/flows/light, tried once more at once."""
    monkeypatch.setenv("PYTHONPATH", str(PROJECT / "tests" / "flows" / "light"))
    monkeypatch.setattr(evaluations, "RETRY_PAUSES", (0.0,))
    monkeypatch.setattr(supervisor, "POLL_SECONDS", 0.02)
    return RunFolder(tmp_path)


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> Failures:
    """Name the evaluations that die: `STEP:TIMES:HOW ...`."""
    return lambda words: monkeypatch.setenv("LIGHT_FAILURES", words)


def save(run: RunFolder, step: int) -> None:
    run.checkpoint(step).mkdir(parents=True)
    state = {"step": step, "restart_index": 0, "number": 100 * step}  # FVD 10 + step
    (run.checkpoint(step) / "state.json").write_text(json.dumps(state))
    write_manifest(run.checkpoint(step))


def attempts(run: RunFolder, step: int) -> int:
    return (run.evaluation(step).with_name(f"attempts-{step}")).stat().st_size


def ended(evaluation: EvaluationProcess) -> EvaluationProcess:
    deadline = time.monotonic() + 60
    while not evaluation.done():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return evaluation


def test_one_that_fails_is_tried_again(run: RunFolder, failures: Failures) -> None:
    save(run, 8)
    failures("8:1:exit")
    assert ended(EvaluationProcess(run, 8)).result().metrics["FVD"] == 18.0
    assert attempts(run, 8) == 2


@pytest.mark.parametrize(
    ("how", "reasons"),
    [
        ("exit", ["exit code 1", "error: no space left"]),
        ("kill", ["killed by SIGKILL"]),
        ("memory", ["exit code 1", "MemoryError"]),
        ("nothing", ["exit code 0"]),
    ],
)
def test_one_that_always_fails_is_given_up_with_reasons(
    run: RunFolder, failures: Failures, how: str, reasons: list[str], capfd: Any
) -> None:
    save(run, 8)
    failures(f"8:99:{how}")
    evaluation = ended(EvaluationProcess(run, 8))
    with pytest.raises(EvaluationFailedError, match="the evaluation of step-00000008") as raised:
        evaluation.result()
    assert raised.value.reasons == reasons
    assert attempts(run, 8) == 2
    errors = capfd.readouterr().err
    assert f"step-00000008 failed ({reasons[0]}); next attempt in 0 s" in errors
    assert errors.count("MemoryError\n") == (2 if how == "memory" else 0)


def test_the_pauses_between_attempts_grow(
    run: RunFolder, failures: Failures, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sorted(set(PAUSES)) == list(PAUSES)
    monkeypatch.setattr(evaluations, "RETRY_PAUSES", (0.4, 0.8))
    save(run, 8)
    failures("8:99:exit")
    began = time.monotonic()
    ended(EvaluationProcess(run, 8))
    assert time.monotonic() - began > 1.2
    assert attempts(run, 8) == 3


def test_one_that_hangs_is_killed(
    run: RunFolder, failures: Failures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluations, "SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(evaluations, "RETRY_PAUSES", ())
    save(run, 8)
    failures("8:99:hang")
    with pytest.raises(EvaluationFailedError) as raised:
        ended(EvaluationProcess(run, 8)).result()
    assert raised.value.reasons == ["killed by SIGKILL", "no output for 0.5 s"]


def test_one_that_is_cancelled_in_a_pause_does_not_begin_again(
    run: RunFolder, failures: Failures, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setattr(evaluations, "RETRY_PAUSES", (0.5,))
    save(run, 8)
    failures("8:99:exit")
    evaluation, errors = EvaluationProcess(run, 8), ""
    while "next attempt in" not in errors:
        assert not evaluation.done()
        time.sleep(0.02)
        errors += capfd.readouterr().err
    evaluation.cancel()
    time.sleep(0.6)
    assert evaluation.done()
    assert attempts(run, 8) == 1


class SavingTrainer:
    """Saves a checkpoint at each poll, and ends in good order; ``stopped`` by its supervisor."""

    def __init__(self, run: RunFolder, steps: list[int]) -> None:
        self._run, self._left = run, steps
        self.stopped = False

    def poll(self) -> int | None:
        if not self._left:
            return 0
        save(self._run, self._left.pop(0))
        return None

    def stop(self) -> int:
        self.stopped = True
        return 0


class SavingActions(SupervisorActions):
    """Real evaluations of what a SavingTrainer saves."""

    def __init__(self, *saved: int) -> None:
        self._saved = list(saved)
        self.trainer: SavingTrainer | None = None

    def launch(self, run: RunFolder) -> SavingTrainer:
        self.trainer = SavingTrainer(run, self._saved)
        return self.trainer


def params() -> Train:
    train = load_config(PROJECT / "presets" / "demo.yaml").train
    guard = train.guard.model_copy(update={"evaluate_every": 8, "thresholds": Thresholds(**LAX)})
    sizes = {"steps": 32, "checkpoint_every": 8, "preview_every": 8, "guard": guard}
    return train.model_copy(update=sizes)


def judged(run: RunFolder) -> list[tuple[str, int]]:
    return [
        (event["event"], event["step"])
        for event in ledger.read(run.ledger)
        if event["event"] != "baseline"
    ]


def test_a_run_goes_on_without_the_checkpoint_whose_evaluation_fails(
    run: RunFolder, failures: Failures
) -> None:
    failures("8:1:kill 16:99:memory")
    assert supervisor.supervise(run, params(), SavingActions(8, 16, 24, 32)) == 8
    expected = [("evaluated", 8), ("not_evaluated", 16), ("evaluated", 24), ("evaluated", 32)]
    assert judged(run) == expected
    failed = ledger.read(run.ledger)[2]  # after the baseline and step 8
    assert failed["reasons"][0] == "exit code 1"
    assert failed["reasons"][-1] == "MemoryError"
    assert ledger.describe(failed).startswith("step 16: not evaluated: exit code 1; ")


def test_where_the_last_evaluation_fails_the_run_ends_with_the_best_before_it(
    run: RunFolder, failures: Failures
) -> None:
    failures("32:99:exit")
    assert supervisor.supervise(run, params(), SavingActions(8, 16, 24, 32)) == 8
    assert judged(run)[-1] == ("not_evaluated", 32)
    assert ledger.not_evaluated(ledger.read(run.ledger)) == [32]
    # The same command tries again.
    failures("")
    assert supervisor.supervise(run, params(), SavingActions()) == 8
    assert judged(run)[-1] == ("evaluated", 32)
    assert ledger.not_evaluated(ledger.read(run.ledger)) == []


def test_too_many_failures_in_a_row_end_the_run_until_they_succeed(
    run: RunFolder, failures: Failures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVDGAN_FAILED_EVALUATIONS", "2")
    failures("16:99:exit 24:99:exit")
    actions = SavingActions(8, 16, 24, 32)
    with pytest.raises(UserError) as raised:
        supervisor.supervise(run, params(), actions)
    assert "2 evaluations in a row failed, the last of step 24: exit code 1; error: no space" in (
        str(raised.value)
    )
    assert actions.trainer is not None
    assert actions.trainer.stopped
    assert judged(run) == [("evaluated", 8), ("not_evaluated", 16), ("not_evaluated", 24)]
    # The same command evaluates them again, and all that came after.
    failures("")
    assert supervisor.supervise(run, params(), SavingActions()) == 8
    assert judged(run)[3:] == [("evaluated", 16), ("evaluated", 24), ("evaluated", 32)]


def test_a_run_of_which_nothing_could_be_evaluated_is_not_called_collapsed(
    run: RunFolder, failures: Failures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVDGAN_FAILED_EVALUATIONS", "9")
    failures(" ".join(f"{step}:99:exit" for step in (8, 16, 24, 32)))
    with pytest.raises(UserError, match="no checkpoint of this run could be evaluated"):
        supervisor.supervise(run, params(), SavingActions(8, 16, 24, 32))
