"""The supervisor's decisions, with scripted trainers and evaluations in place of real ones."""

import json
from typing import Any

import pytest
from scripted_run import NAN, ScriptedActions, ScriptedTrainer, events, first, params

from dvdgan.errors import EXIT_INTERRUPTED, InterruptedRunError, UserError
from dvdgan.guard import supervisor
from dvdgan.guard.run_folder import EXIT_NON_FINITE, RunFolder
from dvdgan.guard.supervisor import Decision
from dvdgan.storage.local import write_json


def test_a_healthy_run_ends_with_its_best_checkpoint(run: RunFolder) -> None:
    actions = ScriptedActions([([10, 20, 30, 40], 0)], first(90.0, 50.0, 60.0, 70.0))
    assert supervisor.supervise(run, params(), actions) == 20
    assert [event["verdict"] for event in events(run, "evaluated")] == ["healthy"] * 4
    assert run.saved_steps() == [10, 20, 30, 40]  # each best in its time, and the last two
    assert actions.launched[0].stopped


def test_a_collapse_stops_the_trainer_and_goes_back(run: RunFolder) -> None:
    actions = ScriptedActions(
        [([10, 20, 30, 40], 0), ([30, 40], 0)],
        first(90.0, 50.0, 500.0, NAN) | {(1, 30): 45.0, (1, 40): 60.0},
        polls=lambda step: 1 if step < 30 else 3,  # the trainer has run on when 30 is judged
    )
    assert supervisor.supervise(run, params(), actions) == 30
    assert actions.launched[0].stopped
    assert actions.evaluated[:3] == [(0, 10), (0, 20), (0, 30)]  # 40 was not begun
    (back,) = events(run, "rolled_back")
    assert (back["to_step"], back["restart_index"], back["learning_rate_scale"]) == (20, 1, 0.5)
    assert back["added_discriminator_steps"] == 1
    assert "500" in back["reasons"][0]
    aside = sorted(path.name for path in (run.collapsed / "0").iterdir())
    assert aside == ["step-00000030", "step-00000040"]
    assert run.schedule_override().restart_index == 1
    assert actions.evaluated[3:] == [(1, 30), (1, 40)]


def test_one_is_judged_after_the_other_in_the_order_of_steps(run: RunFolder) -> None:
    actions = ScriptedActions(
        [([10, 20, 30, 40], 0)],
        first(90.0, 50.0, 60.0, 70.0),
        polls=lambda step: 50 - step,  # the later, the sooner
    )
    supervisor.supervise(run, params(), actions)
    assert [event["step"] for event in events(run, "evaluated")] == [10, 20, 30, 40]


def test_a_suspect_run_is_evaluated_at_every_checkpoint(run: RunFolder) -> None:
    train = params(evaluate_every=20, patience=2).model_copy(update={"steps": 60})
    actions = ScriptedActions(
        [([10, 20, 30, 40, 50, 60], 0), ([30, 40, 50, 60], 0)],
        {(0, 20): 80.0, (0, 40): 500.0, (0, 50): 600.0, (1, 40): 70.0, (1, 60): 75.0},
    )
    assert supervisor.supervise(run, train, actions) == 40
    assert actions.evaluated == [(0, 20), (0, 40), (0, 50), (1, 40), (1, 60)]
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
    actions = ScriptedActions([([10, 20, 30, 40], 0)], first(90.0, 80.0, 85.0, 80.0))
    supervisor.supervise(run, params(evaluate_every=20, patience=3), actions)
    assert actions.evaluated == [(0, 20), (0, 30), (0, 40)]
    (suspect, again) = [event for event in events(run, "evaluated") if event["step"] > 20]
    assert suspect["verdict"] == again["verdict"] == "suspect"
    assert suspect["training"]["generator_gradient"] == 900.0
    assert "generator gradient 900" in suspect["reasons"][0]


def test_a_person_may_refuse_a_rollback(run: RunFolder) -> None:
    class Refusing(ScriptedActions):
        def approve(self, run: RunFolder, to_step: int, reasons: list[str]) -> Decision:
            assert to_step == 10
            assert reasons == ["FVD not finite at step 20"]
            return Decision(roll_back=False, note="enough for the paper")

    actions = Refusing([([10, 20], 0)], first(90.0, NAN))
    assert supervisor.supervise(run, params(), actions) == 10
    assert not events(run, "rolled_back")
    (early,) = events(run, "ended_early")
    assert early["reasons"] == [
        "the rollback was declined",
        "FVD not finite at step 20",
        "note: enough for the paper",
    ]


@pytest.mark.parametrize("code", [EXIT_NON_FINITE, 1])
def test_a_broken_number_is_a_collapse_whatever_the_launcher_makes_of_it(
    run: RunFolder, code: int
) -> None:
    class Breaking(ScriptedActions):
        def launch(self, run: RunFolder) -> ScriptedTrainer:
            trainer = super().launch(run)
            if trainer.code:
                write_json(run.failure, {"step": 25, "what": "spatial_loss not finite at step 25"})
            return trainer

    actions = Breaking(
        [([10, 20], code), ([30, 40], 0)],
        first(90.0, 50.0) | {(1, 30): 40.0, (1, 40): 60.0},
        polls=lambda step: 4,  # still to be judged when the trainer has ended
    )
    assert supervisor.supervise(run, params(), actions) == 30
    (back,) = events(run, "rolled_back")
    assert back["to_step"] == 20
    assert back["reasons"] == ["spatial_loss not finite at step 25"]


def test_a_launcher_s_own_exit_code_hides_no_interruption(run: RunFolder) -> None:
    actions = ScriptedActions([([10, 17], 1)], first(90.0), polls=lambda step: 9)
    write_json(run.interrupted, {"step": 17})
    with pytest.raises(InterruptedRunError):
        supervisor.supervise(run, params(), actions)


def test_an_interrupted_trainer_interrupts_the_run(run: RunFolder) -> None:
    actions = ScriptedActions([([10, 17], EXIT_INTERRUPTED)], first(90.0), polls=lambda step: 9)
    with pytest.raises(InterruptedRunError):
        supervisor.supervise(run, params(), actions)
    assert actions.evaluated == [(0, 10)]  # 17 is not on the schedule
    assert actions.evaluations[0].cancelled


def test_a_trainer_that_fails_is_reported(run: RunFolder) -> None:
    actions = ScriptedActions([([10], 1)], first(90.0), polls=lambda step: 9)
    with pytest.raises(UserError, match="exit code 1"):
        supervisor.supervise(run, params(), actions)


def test_a_restarted_supervisor_goes_on_from_its_ledger(run: RunFolder) -> None:
    stopped = ScriptedActions([([10, 20, 25], EXIT_INTERRUPTED)], first(90.0, 50.0))
    with pytest.raises(InterruptedRunError):
        supervisor.supervise(run, params(), stopped)
    again = ScriptedActions([([30, 40], 0)], first(90.0, 50.0, 60.0, 70.0))
    assert supervisor.supervise(run, params(), again) == 20
    assert again.evaluated == [(0, 30), (0, 40)]
    assert [event["step"] for event in events(run, "evaluated")] == [10, 20, 30, 40]


def test_a_collapse_recorded_before_a_crash_is_rolled_back_after_it(run: RunFolder) -> None:
    class Dying(ScriptedActions):
        def roll_back(self, *_: Any) -> None:
            raise KeyboardInterrupt

    fvds = first(90.0, NAN) | {(1, 20): 80.0, (1, 30): 80.0, (1, 40): 80.0}
    with pytest.raises(KeyboardInterrupt):
        supervisor.supervise(run, params(), Dying([([10, 20], 0)], fvds))
    again = ScriptedActions([([20, 30, 40], 0)], fvds)
    assert supervisor.supervise(run, params(), again) == 20
    assert [event["to_step"] for event in events(run, "rolled_back")] == [10]
    assert again.evaluated == [(1, 20), (1, 30), (1, 40)]
