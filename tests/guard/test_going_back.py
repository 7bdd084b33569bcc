"""From where a run goes on after a collapse, and when it ends without having learned."""

import pytest
from scripted_run import NAN, ScriptedActions, events, first, params

from dvdgan.errors import EXIT_INTERRUPTED, InterruptedRunError, UserError
from dvdgan.guard import ledger, supervisor
from dvdgan.guard.run_folder import RunFolder, verify_checkpoint


def test_spent_rollbacks_end_with_the_best_so_far(run: RunFolder) -> None:
    broken = {(restart, 20): NAN for restart in range(3)}
    # The second collapse is in the same place, so that the run begins anew; its best is kept.
    actions = ScriptedActions([([10, 20], 0), ([20], 0), ([20], 0)], {(0, 10): 90.0} | broken)
    assert supervisor.supervise(run, params(), actions) == 10
    assert run.best_checkpoint() == run.kept_best / "step-00000010"
    assert verify_checkpoint(run.kept_best / "step-00000010") is None
    assert [event["learning_rate_scale"] for event in events(run, "rolled_back")] == [0.5, 0.25]
    (early,) = events(run, "ended_early")
    assert (early["step"], early["reached"]) == (10, 20)
    assert early["reasons"] == ["after 2 rollbacks", "FVD not finite at step 20"]
    # The same command again has nothing to do: no trainer is left in the script.
    assert supervisor.supervise(run, params(), actions) == 10


def test_a_run_without_a_healthy_checkpoint_has_never_learned(run: RunFolder) -> None:
    actions = ScriptedActions([([10], 0), ([10], 0)], {(0, 10): NAN, (1, 10): NAN})
    with pytest.raises(UserError, match=r"the run never learned.*up to step 10") as error:
        supervisor.supervise(run, params(max_rollbacks=1), actions)
    assert "lower train.generator_learning_rate" in (error.value.todo or "")
    assert [event["to_step"] for event in events(run, "rolled_back")] == [0]
    (end,) = events(run, "never_learned")
    assert (end["reached"], end["reasons"]) == (
        10,
        ["after 1 rollbacks", "FVD not finite at step 10"],
    )
    assert not events(run, "ended_early")
    # The same command again ends in the same way, and starts nothing.
    with pytest.raises(UserError, match="the run never learned"):
        supervisor.supervise(run, params(max_rollbacks=1), actions)


def test_the_baseline_is_measured_once_and_first(run: RunFolder) -> None:
    stopped = ScriptedActions([([10, 17], EXIT_INTERRUPTED)], first(90.0), reach=5.0)
    with pytest.raises(InterruptedRunError):
        supervisor.supervise(run, params(), stopped)
    again = ScriptedActions([([20, 30, 40], 0)], first(90.0, 50.0, 60.0, 70.0), untrained=1.0)
    assert supervisor.supervise(run, params(), again) == 20
    recorded = ledger.read(run.ledger)
    assert [event["event"] for event in recorded] == ["baseline"] + ["evaluated"] * 4
    assert recorded[0]["untrained"] == {
        "metrics": {"FID": 1.0, "FVD": 1000.0, "IS": 1.0},
        "names": {},
        "intervals": {"FVD": [995.0, 1005.0]},
    }
    assert recorded[0]["mean_clip"] == {"metrics": {"FVD": 2000.0}, "intervals": {}}


def test_only_what_is_clearly_nearer_than_the_untrained_generator_is_healthy(
    run: RunFolder,
) -> None:
    """As in the demo: farther than untrained samples at first, then far nearer."""
    actions = ScriptedActions(
        [([10, 20, 30, 40], 0)], first(34.0, 22.0, 10.0, 12.0), untrained=26.0, reach=3.0
    )
    assert supervisor.supervise(run, params(), actions) == 30
    verdicts = [event["verdict"] for event in events(run, "evaluated")]
    assert verdicts == ["warming_up", "warming_up", "healthy", "healthy"]
    assert run.saved_steps() == [30, 40]  # of the warm-up the newest alone is kept


def test_without_a_healthy_checkpoint_a_rollback_starts_from_the_beginning(run: RunFolder) -> None:
    """Dead weights that were farther from real clips than untrained ones are never resumed."""
    actions = ScriptedActions(
        [([10, 20], 0), ([10, 20, 30, 40], 0)],
        {(0, 10): 49.0, (0, 20): NAN} | {(1, step): 5.0 for step in (10, 20, 30, 40)},
        untrained=38.6,
        reach=1.0,
    )
    assert supervisor.supervise(run, params(), actions) == 10
    (back,) = events(run, "rolled_back")
    assert (back["to_step"], back["from_step"], back["restart_index"]) == (0, 20, 1)
    assert sorted(path.name for path in (run.collapsed / "0").iterdir()) == [
        "step-00000010",
        "step-00000020",
    ]


def test_a_run_that_learns_nothing_in_its_warm_up_ends(run: RunFolder) -> None:
    actions = ScriptedActions(
        [([10, 20, 30, 40], 0)], dict.fromkeys([(0, 10), (0, 20)], 37.0), untrained=38.6, reach=1.0
    )
    with pytest.raises(UserError, match="up to step 20") as error:
        supervisor.supervise(run, params(warm_up=0.4), actions)
    assert "train.guard.warm_up" in (error.value.todo or "")
    (end,) = events(run, "never_learned")
    assert end["reached"] == 20
    assert end["reasons"] == [
        "FVD 37 (36 to 38) at step 20 is not clearly below 1 times that of the untrained "
        "generator, 38.6 (37.6 to 39.6)"
    ]
    assert actions.launched[0].stopped


def test_a_run_that_collapses_in_the_same_place_goes_back_further(run: RunFolder) -> None:
    """To the newest healthy checkpoint, then to an older one, then to the beginning."""
    actions = ScriptedActions(
        [([10, 20, 30], 0), ([30], 0), ([20, 30], 0), ([10, 20, 30, 40], 0)],
        {(0, 10): 9.0, (0, 20): 8.0, (0, 30): NAN, (1, 30): NAN, (2, 20): 8.0, (2, 30): NAN}
        | {(3, step): 5.0 for step in (10, 20, 30, 40)},
    )
    assert supervisor.supervise(run, params(max_rollbacks=3), actions) == 10
    assert run.best_checkpoint() == run.checkpoint(10)
    back = [(event["from_step"], event["to_step"]) for event in events(run, "rolled_back")]
    assert back == [(30, 20), (30, 10), (30, 0)]
