"""The train flow on a real server: outages, the cancel button, and a person's approval."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from killing import survive
from light_run import HERE, LightRun, nothing_left
from mortal_server import Mortal
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_server import wait_until

from dvdgan.errors import EXIT_INTERRUPTED, EXIT_USER_ERROR
from dvdgan.guard import evaluations
from dvdgan.guard.evaluations import EvaluationFailedError
from dvdgan.guard.run_folder import RunFolder
from flows.train import TaskEvaluation

pytestmark = pytest.mark.timeout(900)

NewRun = Callable[..., LightRun]
APPROVE = {"DVDGAN_APPROVE_ROLLBACKS": "1", "LIGHT_COLLAPSE": "0:32"}


@pytest.fixture
def server(mortal: Mortal) -> Mortal:
    return mortal


@pytest.fixture
def new_run(tmp_path: Path, server: Mortal) -> Iterator[NewRun]:
    """Make a run that shows itself on the server."""

    def make(**environment: str) -> LightRun:
        mine = {key: server.environment[key] for key in ("PREFECT_API_URL", "PREFECT_HOME")}
        return LightRun(tmp_path / "tree", **(mine | environment))

    yield make


def test_a_server_killed_and_started_again_is_not_noticed(
    tmp_path: Path, server: Mortal, undisturbed: LightRun
) -> None:
    """By a run that a machine file alone configures, which is not read again."""
    run = LightRun(
        tmp_path / "tree",
        DVDGAN_LAUNCHER="",
        PREFECT_HOME=server.environment["PREFECT_HOME"],
        LIGHT_HOLDS="12 36",
        LIGHT_FAILURES="24:1:memory",
    )
    machine_file = run.tree / "machine.yaml"
    machine_file.write_text(
        f"launch: {{launcher: {sys.executable} {HERE / 'light_trainer.py'}}}\n"
        f"stores: {{backup: {tmp_path / 'backup'}}}\n"
        "retention: {keep_last: 1, keep_every: 24}\n"
        f"prefect: {{api_url: '{server.environment['PREFECT_API_URL']}'}}\n"
    )
    with nothing_left(run):
        process = run.begin()
        run.await_that(lambda: run.events("evaluated") and server.state(run) == "RUNNING")
        machine_file.write_text("launch: [")
        server.kill()
        run.release(12)
        run.await_that(lambda: len(run.events("evaluated")) == 4)
        server.start()
        run.release(36)
        assert run.ended(process) == 0, run.log.read_text()
    assert run.outcome() == undisturbed.outcome()
    assert run.run.root.name == undisturbed.run.root.name  # the fingerprint
    assert {24, 48} <= set(run.run.saved_steps()) != set(undisturbed.run.saved_steps())
    assert (tmp_path / "backup" / run.run.root.name / "copy.json").is_file()
    # The server stores a moment later what is sent.
    run.await_that(lambda: server.state(run) == "COMPLETED")
    run.await_that(lambda: {"evaluate step 8", "evaluate step 64"} <= server.tasks())
    assert any(name.startswith("launch") for name in server.tasks())
    kinds = {"dvdgan.checkpoint.saved", "dvdgan.checkpoint.best"}
    run.await_that(lambda: server.events(run) == kinds)
    name = run.run.root.name
    run.await_that(lambda: {f"progress-{name}", f"train-{name}"} <= server.artifacts())


def test_an_evaluation_that_fails_is_a_failed_task_and_ends_no_flow(
    tmp_path: Path, server: Mortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluations, "RETRY_PAUSES", ())
    monkeypatch.setenv("PYTHONPATH", str(HERE / "light"))
    monkeypatch.setenv("LIGHT_FAILURES", "77:1:kill")
    run = RunFolder(tmp_path)

    @flow
    def supervised() -> list[str]:
        evaluation = TaskEvaluation(run, 77)
        wait_until(evaluation.done)
        with pytest.raises(EvaluationFailedError) as raised:
            evaluation.result()
        return raised.value.reasons

    with temporary_settings({PREFECT_API_URL: server.environment["PREFECT_API_URL"]}):
        assert supervised() == ["killed by SIGKILL"]
    wanted = {"task_runs": {"name": {"any_": ["evaluate step 77"]}}}
    wait_until(
        lambda: (
            [each["state_type"] for each in server.post("task_runs/filter", wanted)] == ["FAILED"]
        )
    )


def test_the_button_stops_the_trainer_which_saves(
    new_run: NewRun, server: Mortal, undisturbed: LightRun
) -> None:
    run = new_run(LIGHT_HOLDS="12")
    with nothing_left(run):
        process = run.begin()
        run.await_that(lambda: run.steps() == 12 and server.state(run) == "RUNNING")
        button = f"flow_runs/{server.flow_run(run)['id']}/set_state"
        server.post(button, {"state": {"type": "CANCELLING"}})
        assert run.ended(process) == EXIT_INTERRUPTED, run.log.read_text()
        run.await_that(lambda: not run.alive())
        assert server.state(run) == "CANCELLED"
        assert max(run.run.saved_steps()) == run.steps()
        # Without a server, which it was stopped by and does not need.
        assert run.finish(LIGHT_HOLDS="", PREFECT_API_URL="") == 0, run.log.read_text()
    assert run.outcome()[0] == undisturbed.outcome()[0]


@pytest.mark.long
def test_killed_at_random_it_ends_as_if_nothing_had_been(
    new_run: NewRun, undisturbed: LightRun
) -> None:
    survive(new_run(), undisturbed, kills=6, seed=1)


@pytest.mark.long
def test_approval_is_requested_again_after_a_kill(new_run: NewRun, server: Mortal) -> None:
    run = new_run(LIGHT_STEP_SECONDS="0.05", **APPROVE)
    with nothing_left(run):
        process = run.begin()
        run.await_that(lambda: run.events("evaluated") and server.state(run) == "PAUSED")
        assert not run.alive("light_trainer"), "it trains while it waits for approval"
        first = server.flow_run(run)["id"]
        [flow] = run.alive("flows.train")
        flow.kill()
        assert run.ended(process) == EXIT_USER_ERROR, run.log.read_text()
        assert not run.events("rolled_back")

        process = run.begin()
        run.await_that(lambda: server.flow_run(run)["id"] != first)
        run.await_that(lambda: server.state(run) == "PAUSED")
        server.resume(run, decision="roll back", note="once more")
        assert run.ended(process) == 0, run.log.read_text()
    [back] = run.events("rolled_back")
    assert back["to_step"] == 24
    assert back["reasons"] == ["FVD not finite at step 32", "note: once more"]
    assert server.state(run) == "COMPLETED"
    [over] = server.post("flow_runs/filter", {"flow_runs": {"id": {"any_": [first]}}})
    assert over["state_type"] == "CRASHED"


@pytest.mark.long
def test_a_person_may_end_the_run_here(new_run: NewRun, server: Mortal) -> None:
    run = new_run(LIGHT_STEP_SECONDS="0.05", **APPROVE)
    with nothing_left(run):
        process = run.begin()
        run.await_that(lambda: run.events("evaluated") and server.state(run) == "PAUSED")
        server.resume(run, decision="end here")
        assert run.ended(process) == 0, run.log.read_text()
    [early] = run.events("ended_early")
    assert early["reasons"] == ["the rollback was declined", "FVD not finite at step 32"]
    assert not run.events("rolled_back")


def test_where_nobody_can_approve_training_does_not_begin(new_run: NewRun) -> None:
    run = new_run(**(APPROVE | {"PREFECT_API_URL": ""}))
    with nothing_left(run):
        assert run.finish() == EXIT_USER_ERROR
        assert "rollbacks cannot be approved" in run.log.read_text()
    assert run.steps() == 0


@pytest.mark.long
def test_a_server_that_stays_away_keeps_no_run_from_its_end(
    new_run: NewRun, server: Mortal, undisturbed: LightRun
) -> None:
    """The last test: nobody starts it again."""
    run = new_run(LIGHT_STEP_SECONDS="0.1")
    with nothing_left(run):
        process = run.begin()
        run.await_that(lambda: run.events("evaluated"))
        server.kill()
        run.await_that(lambda: len(run.events("evaluated")) == 8)
        judged = time.monotonic()
        assert run.ended(process) == 0, run.log.read_text()
        assert time.monotonic() - judged < 120
    assert run.outcome() == undisturbed.outcome()
