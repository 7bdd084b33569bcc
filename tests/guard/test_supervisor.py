"""The supervisor's decisions, with scripted trainers and evaluations in place of real ones."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lax_guard import LAX

from dvdgan.config import load_config
from dvdgan.config.guard import Guard, Thresholds
from dvdgan.config.schema import Train
from dvdgan.errors import EXIT_INTERRUPTED, InterruptedRunError, UserError
from dvdgan.guard import ledger, supervisor
from dvdgan.guard.processes import Measured
from dvdgan.guard.run_folder import EXIT_NON_FINITE, RunFolder, damage, seal
from dvdgan.guard.steps import Answer, PlainSteps
from dvdgan.storage.local import write_json

NAN = None
PROJECT = Path(__file__).resolve().parents[2]
Story = list[int | tuple[str, int]]


def params(**guard: Any) -> Train:
    defaults = {
        "samples": 32,
        "evaluate_every": 10,
        "patience": 1,
        "thresholds": Thresholds(
            **(LAX | {"baseline_factor": 1.0, "distance_ratio": 2.0, "gradient_ratio": 5.0})
        ),
        "warm_up": 1.0,
        "max_rollbacks": 2,
        "learning_rate_scale": 0.5,
        "added_discriminator_steps": 1,
    }
    demo = load_config(PROJECT / "presets" / "demo.yaml").train
    sizes = {"steps": 40, "checkpoint_every": 10, "preview_every": 10}
    return demo.model_copy(update=sizes | {"guard": Guard(**(defaults | guard))})


def save(run: RunFolder, step: int) -> None:
    run.checkpoint(step).mkdir(parents=True)
    seal(run.checkpoint(step))


@dataclass
class ScriptedTrainer:
    """At every poll it saves one more checkpoint of its script, then ends with ``code``."""

    run: RunFolder
    script: list[int]
    code: int
    stopped: int = 0

    def poll(self) -> int | None:
        if not self.script or self.stopped:
            return self.code
        save(self.run, self.script.pop(0))
        return None

    def stop(self) -> int:
        self.stopped += 1
        return self.code


@dataclass
class ScriptedEvaluation:
    """Done after ``polls`` questions; the result is a scripted FVD."""

    fvd: float | None
    polls: int = 1
    reach: float = 0.0
    """Half the width of its interval."""
    cancelled: bool = False

    def done(self) -> bool:
        self.polls -= 1
        return self.polls <= 0

    def result(self) -> Measured:
        metrics = {"FID": 1.0, "FVD": self.fvd, "IS": 1.0}
        if self.fvd is None:
            return Measured(metrics, {})
        intervals = {"FVD": [self.fvd - self.reach, self.fvd + self.reach]}
        mean_clip = {"metrics": {"FVD": 2000.0}, "intervals": {}}
        return Measured(metrics, {"diversity": 1.0}, intervals, mean_clip)

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class ScriptedSteps(PlainSteps):
    """Trainers and evaluations by script; rolling back is the real thing."""

    trainers: list[tuple[list[int], int]]
    figures: dict[tuple[int, int], float | None]  # (attempt, step) -> FVD
    polls: Callable[[int], int] = lambda step: 1
    untrained: float = 1000.0
    reach: float = 0.0
    launched: list[ScriptedTrainer] = field(default_factory=list)
    asked: list[tuple[int, int]] = field(default_factory=list)
    evaluations: list[ScriptedEvaluation] = field(default_factory=list)

    def launch(self, run: RunFolder) -> ScriptedTrainer:
        run.failure.unlink(missing_ok=True)
        script, code = self.trainers.pop(0)
        self.launched.append(ScriptedTrainer(run, script, code))
        return self.launched[-1]

    def evaluate(self, run: RunFolder, step: int) -> ScriptedEvaluation:
        if step == 0:
            return ScriptedEvaluation(self.untrained, reach=self.reach)
        key = (run.course().attempt, step)
        self.asked.append(key)
        evaluation = ScriptedEvaluation(self.figures[key], self.polls(step), self.reach)
        self.evaluations.append(evaluation)
        return self.evaluations[-1]

    def announce(self, event: dict[str, Any]) -> None:
        ledger.describe(event)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setattr(supervisor, "POLL_SECONDS", 0.0)
    return RunFolder(tmp_path)


def events(run: RunFolder, kind: str) -> list[dict[str, Any]]:
    return [event for event in ledger.read(run.ledger) if event["event"] == kind]


def first(*fvds: float | None) -> dict[tuple[int, int], float | None]:
    """Figures of the first attempt at steps 10, 20, ..."""
    return {(0, 10 * number): fvd for number, fvd in enumerate(fvds, start=1)}


def test_a_healthy_run_ends_with_its_best_checkpoint(run: RunFolder) -> None:
    steps = ScriptedSteps([([10, 20, 30, 40], 0)], first(90.0, 50.0, 60.0, 70.0))
    assert supervisor.supervise(run, params(), steps) == 20
    assert [event["verdict"] for event in events(run, "evaluated")] == ["healthy"] * 4
    assert run.saved_steps() == [10, 20, 30, 40]  # each best in its time, and the last two
    assert steps.launched[0].stopped


def test_a_collapse_stops_the_trainer_and_goes_back(run: RunFolder) -> None:
    steps = ScriptedSteps(
        [([10, 20, 30, 40], 0), ([30, 40], 0)],
        first(90.0, 50.0, 500.0, NAN) | {(1, 30): 45.0, (1, 40): 60.0},
        polls=lambda step: 1 if step < 30 else 3,  # the trainer has run on when 30 is judged
    )
    assert supervisor.supervise(run, params(), steps) == 30
    assert steps.launched[0].stopped
    assert steps.asked[:3] == [(0, 10), (0, 20), (0, 30)]  # 40 was not begun
    (back,) = events(run, "rolled_back")
    assert (back["to_step"], back["attempt"], back["learning_rate_scale"]) == (20, 1, 0.5)
    assert back["added_discriminator_steps"] == 1
    assert "500" in back["reasons"][0]
    aside = sorted(path.name for path in (run.collapsed / "0").iterdir())
    assert aside == ["step-00000030", "step-00000040"]
    assert run.course().attempt == 1
    assert steps.asked[3:] == [(1, 30), (1, 40)]


def test_spent_rollbacks_end_with_the_best_so_far(run: RunFolder) -> None:
    attempts = {(attempt, 20): NAN for attempt in range(3)}
    # The second collapse is in the same place, so that the run begins anew; its best is kept.
    steps = ScriptedSteps([([10, 20], 0), ([20], 0), ([20], 0)], {(0, 10): 90.0} | attempts)
    assert supervisor.supervise(run, params(), steps) == 10
    assert run.best_checkpoint() == run.kept_best / "step-00000010"
    assert damage(run.kept_best / "step-00000010") is None
    assert [event["learning_rate_scale"] for event in events(run, "rolled_back")] == [0.5, 0.25]
    (early,) = events(run, "ended_early")
    assert (early["step"], early["reached"]) == (10, 20)
    assert early["reasons"] == ["after 2 rollbacks", "FVD not finite at step 20"]
    # Asked again, it has nothing to do: no trainer is left in the script.
    assert supervisor.supervise(run, params(), steps) == 10


def test_a_run_without_a_good_checkpoint_says_so(run: RunFolder) -> None:
    steps = ScriptedSteps([([10], 0), ([10], 0)], {(0, 10): NAN, (1, 10): NAN})
    with pytest.raises(UserError, match=r"the run never learned.*up to step 10") as error:
        supervisor.supervise(run, params(max_rollbacks=1), steps)
    assert "lower train.generator_learning_rate" in (error.value.todo or "")
    assert [event["to_step"] for event in events(run, "rolled_back")] == [0]
    (end,) = events(run, "never_learned")
    assert (end["reached"], end["reasons"]) == (
        10,
        ["after 1 rollbacks", "FVD not finite at step 10"],
    )
    assert not events(run, "ended_early")
    # The same command again says the same, and starts nothing.
    with pytest.raises(UserError, match="the run never learned"):
        supervisor.supervise(run, params(max_rollbacks=1), steps)


def test_the_baseline_is_measured_once_and_first(run: RunFolder) -> None:
    stopped = ScriptedSteps([([10, 17], EXIT_INTERRUPTED)], first(90.0), reach=5.0)
    with pytest.raises(InterruptedRunError):
        supervisor.supervise(run, params(), stopped)
    again = ScriptedSteps([([20, 30, 40], 0)], first(90.0, 50.0, 60.0, 70.0), untrained=1.0)
    assert supervisor.supervise(run, params(), again) == 20
    noted = ledger.read(run.ledger)
    assert [event["event"] for event in noted] == ["baseline"] + ["evaluated"] * 4
    assert noted[0]["untrained"] == {
        "metrics": {"FID": 1.0, "FVD": 1000.0, "IS": 1.0},
        "intervals": {"FVD": [995.0, 1005.0]},
    }
    assert noted[0]["mean_clip"] == {"metrics": {"FVD": 2000.0}, "intervals": {}}


def test_only_what_is_clearly_nearer_than_the_untrained_generator_is_healthy(
    run: RunFolder,
) -> None:
    """The demo's course: farther than untrained samples at first, then far nearer."""
    steps = ScriptedSteps(
        [([10, 20, 30, 40], 0)], first(34.0, 22.0, 10.0, 12.0), untrained=26.0, reach=3.0
    )
    assert supervisor.supervise(run, params(), steps) == 30
    verdicts = [event["verdict"] for event in events(run, "evaluated")]
    assert verdicts == ["warming_up", "warming_up", "healthy", "healthy"]
    assert run.saved_steps() == [30, 40]  # of the warm-up the newest alone is kept


def test_without_a_healthy_checkpoint_a_rollback_starts_from_the_beginning(run: RunFolder) -> None:
    """Dead weights that were farther from real clips than untrained ones are never resumed."""
    steps = ScriptedSteps(
        [([10, 20], 0), ([10, 20, 30, 40], 0)],
        {(0, 10): 49.0, (0, 20): NAN} | {(1, step): 5.0 for step in (10, 20, 30, 40)},
        untrained=38.6,
        reach=1.0,
    )
    assert supervisor.supervise(run, params(), steps) == 10
    (back,) = events(run, "rolled_back")
    assert (back["to_step"], back["from_step"], back["attempt"]) == (0, 20, 1)
    assert sorted(path.name for path in (run.collapsed / "0").iterdir()) == [
        "step-00000010",
        "step-00000020",
    ]


def test_a_run_that_learns_nothing_in_its_warm_up_ends(run: RunFolder) -> None:
    steps = ScriptedSteps(
        [([10, 20, 30, 40], 0)], dict.fromkeys([(0, 10), (0, 20)], 37.0), untrained=38.6, reach=1.0
    )
    with pytest.raises(UserError, match="up to step 20") as error:
        supervisor.supervise(run, params(warm_up=0.4), steps)
    assert "train.guard.warm_up" in (error.value.todo or "")
    (end,) = events(run, "never_learned")
    assert end["reached"] == 20
    assert end["reasons"] == [
        "FVD 37 (36 to 38) at step 20 is not clearly below that of the untrained generator, "
        "38.6 (37.6 to 39.6)"
    ]
    assert steps.launched[0].stopped


def test_a_run_that_collapses_in_the_same_place_goes_back_further(run: RunFolder) -> None:
    """To the newest healthy checkpoint, then to an older one, then to the beginning."""
    steps = ScriptedSteps(
        [([10, 20, 30], 0), ([30], 0), ([20, 30], 0), ([10, 20, 30, 40], 0)],
        {(0, 10): 9.0, (0, 20): 8.0, (0, 30): NAN, (1, 30): NAN, (2, 20): 8.0, (2, 30): NAN}
        | {(3, step): 5.0 for step in (10, 20, 30, 40)},
    )
    assert supervisor.supervise(run, params(max_rollbacks=3), steps) == 10
    assert run.best_checkpoint() == run.checkpoint(10)
    back = [(event["from_step"], event["to_step"]) for event in events(run, "rolled_back")]
    assert back == [(30, 20), (30, 10), (30, 0)]


def test_one_is_judged_after_the_other_in_the_order_of_steps(run: RunFolder) -> None:
    steps = ScriptedSteps(
        [([10, 20, 30, 40], 0)],
        first(90.0, 50.0, 60.0, 70.0),
        polls=lambda step: 50 - step,  # the later, the sooner
    )
    supervisor.supervise(run, params(), steps)
    assert [event["step"] for event in events(run, "evaluated")] == [10, 20, 30, 40]


def test_a_suspect_run_is_evaluated_at_every_checkpoint(run: RunFolder) -> None:
    train = params(evaluate_every=20, patience=2).model_copy(update={"steps": 60})
    steps = ScriptedSteps(
        [([10, 20, 30, 40, 50, 60], 0), ([30, 40, 50, 60], 0)],
        {(0, 20): 80.0, (0, 40): 500.0, (0, 50): 600.0, (1, 40): 70.0, (1, 60): 75.0},
    )
    assert supervisor.supervise(run, train, steps) == 40
    assert steps.asked == [(0, 20), (0, 40), (0, 50), (1, 40), (1, 60)]
    (back,) = events(run, "rolled_back")
    assert back["to_step"] == 20
    found = [event for event in events(run, "evaluated") if event["verdict"] == "collapsed"]
    assert [(event["step"], event["began"]) for event in found] == [(50, 40)]


def test_training_alone_can_call_for_an_evaluation(run: RunFolder) -> None:
    """Gradients burst after step 20; the checkpoint of step 30 is not on the schedule."""
    with run.metrics.open("w") as file:
        for step in range(1, 41):
            norm = 900.0 if step > 20 else 30.0 + step % 3
            file.write(json.dumps({"step": step, "generator_gradient_norm": norm}) + "\n")
    steps = ScriptedSteps([([10, 20, 30, 40], 0)], first(90.0, 80.0, 85.0, 80.0))
    supervisor.supervise(run, params(evaluate_every=20, patience=3), steps)
    assert steps.asked == [(0, 20), (0, 30), (0, 40)]
    (suspect, again) = [event for event in events(run, "evaluated") if event["step"] > 20]
    assert suspect["verdict"] == again["verdict"] == "suspect"
    assert suspect["training"]["generator_gradient"] == 900.0
    assert "generator gradient 900" in suspect["reasons"][0]


def test_a_person_may_refuse_a_rollback(run: RunFolder) -> None:
    class Asking(ScriptedSteps):
        def approve(self, run: RunFolder, to_step: int, reasons: list[str]) -> Answer:
            assert to_step == 10
            assert reasons == ["FVD not finite at step 20"]
            return Answer(roll_back=False, note="enough for the paper")

    steps = Asking([([10, 20], 0)], first(90.0, NAN))
    assert supervisor.supervise(run, params(), steps) == 10
    assert not events(run, "rolled_back")
    (early,) = events(run, "ended_early")
    assert early["reasons"] == [
        "no rollback was wanted",
        "FVD not finite at step 20",
        "note: enough for the paper",
    ]


@pytest.mark.parametrize("code", [EXIT_NON_FINITE, 1])
def test_a_broken_number_is_a_collapse_whatever_the_launcher_makes_of_it(
    run: RunFolder, code: int
) -> None:
    class Breaking(ScriptedSteps):
        def launch(self, run: RunFolder) -> ScriptedTrainer:
            trainer = super().launch(run)
            if trainer.code:
                write_json(run.failure, {"step": 25, "what": "spatial_loss not finite at step 25"})
            return trainer

    steps = Breaking(
        [([10, 20], code), ([30, 40], 0)],
        first(90.0, 50.0) | {(1, 30): 40.0, (1, 40): 60.0},
        polls=lambda step: 4,  # still to be judged when the trainer has ended
    )
    assert supervisor.supervise(run, params(), steps) == 30
    (back,) = events(run, "rolled_back")
    assert back["to_step"] == 20
    assert back["reasons"] == ["spatial_loss not finite at step 25"]


def test_a_launcher_s_own_exit_code_hides_no_interruption(run: RunFolder) -> None:
    steps = ScriptedSteps([([10, 17], 1)], first(90.0), polls=lambda step: 9)
    write_json(run.interrupted, {"step": 17})
    with pytest.raises(InterruptedRunError):
        supervisor.supervise(run, params(), steps)


def test_an_interrupted_trainer_interrupts_the_run(run: RunFolder) -> None:
    steps = ScriptedSteps([([10, 17], EXIT_INTERRUPTED)], first(90.0), polls=lambda step: 9)
    with pytest.raises(InterruptedRunError):
        supervisor.supervise(run, params(), steps)
    assert steps.asked == [(0, 10)]  # 17 is not on the schedule
    assert steps.evaluations[0].cancelled


def test_a_trainer_that_fails_is_reported(run: RunFolder) -> None:
    steps = ScriptedSteps([([10], 1)], first(90.0), polls=lambda step: 9)
    with pytest.raises(UserError, match="exit code 1"):
        supervisor.supervise(run, params(), steps)


def test_a_restarted_supervisor_goes_on_from_its_ledger(run: RunFolder) -> None:
    stopped = ScriptedSteps([([10, 20, 25], EXIT_INTERRUPTED)], first(90.0, 50.0))
    with pytest.raises(InterruptedRunError):
        supervisor.supervise(run, params(), stopped)
    again = ScriptedSteps([([30, 40], 0)], first(90.0, 50.0, 60.0, 70.0))
    assert supervisor.supervise(run, params(), again) == 20
    assert again.asked == [(0, 30), (0, 40)]
    assert [event["step"] for event in events(run, "evaluated")] == [10, 20, 30, 40]


def test_a_collapse_noted_before_a_crash_is_answered_after_it(run: RunFolder) -> None:
    class Dying(ScriptedSteps):
        def roll_back(self, *_: Any) -> None:
            raise KeyboardInterrupt

    figures = first(90.0, NAN) | {(1, 20): 80.0, (1, 30): 80.0, (1, 40): 80.0}
    with pytest.raises(KeyboardInterrupt):
        supervisor.supervise(run, params(), Dying([([10, 20], 0)], figures))
    again = ScriptedSteps([([20, 30, 40], 0)], figures)
    assert supervisor.supervise(run, params(), again) == 20
    assert [event["to_step"] for event in events(run, "rolled_back")] == [10]
    assert again.asked == [(1, 20), (1, 30), (1, 40)]
