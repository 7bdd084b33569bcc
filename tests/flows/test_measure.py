"""Evaluations by a worker elsewhere; done here where it is silent or fails."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from light_run import HERE, PROJECT, LightRun, nothing_left
from prefect.client.schemas.objects import FlowRun
from prefect.logging import disable_run_logger
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_server import Server, free_port, wait_until

from dvdgan.guard import evaluations
from dvdgan.guard.evaluations import EvaluationFailedError
from dvdgan.guard.heartbeat import Heartbeat
from dvdgan.guard.run_folder import RunFolder
from flows import measure
from flows.measure import WorkerEvaluation, evaluator_file

SILENCE = 5
STEP = 8
THERE = {"metrics": {"FVD": 1.0}, "health": {}}
HERE_FVD = 10 + 1234 / 100  # what tests/flows/light measures of the number 1234


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunFolder]:
    """A run with one checkpoint, and no server."""
    monkeypatch.setenv("PYTHONPATH", str(HERE / "light"))
    monkeypatch.setenv("DVDGAN_NODE_TIMEOUT", str(SILENCE))
    folder = RunFolder(tmp_path / "run")
    folder.checkpoint(STEP).mkdir(parents=True)
    state = {"step": STEP, "restart_index": 0, "number": 1234}
    (folder.checkpoint(STEP) / "state.json").write_text(json.dumps(state))
    nowhere = f"http://127.0.0.1:{free_port()}/api"
    with temporary_settings({PREFECT_API_URL: nowhere}), disable_run_logger():
        yield folder


@pytest.fixture
def launch_ids(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The launch ids of submitted evaluations, on a server that takes all of them."""
    submitted: list[str] = []

    def take(name: str, *, parameters: dict[str, str], **_: object) -> FlowRun:
        assert (name, parameters["step"]) == ("measure/checkpoint", STEP)
        assert Path(parameters["run_folder"]).is_absolute()
        submitted.append(parameters["launch_id"])
        return FlowRun(id=uuid4(), flow_id=uuid4())

    monkeypatch.setattr(measure, "run_deployment", take)
    return submitted


def write_result(run: RunFolder) -> None:
    run.evaluation(STEP).parent.mkdir(parents=True, exist_ok=True)
    aside = run.root / "aside"
    aside.write_text(json.dumps(THERE))
    aside.rename(run.evaluation(STEP))


def fvd(evaluation: WorkerEvaluation) -> float | None:
    """Of the result, once it is there."""
    wait_until(evaluation.done)
    return evaluation.result().metrics["FVD"]


def test_without_a_server_it_is_measured_here_at_once(run: RunFolder) -> None:
    began = time.monotonic()
    assert fvd(WorkerEvaluation(run, STEP)) == HERE_FVD
    assert time.monotonic() - began < SILENCE + 20


def test_what_a_worker_measured_is_not_measured_again(
    run: RunFolder, launch_ids: list[str]
) -> None:
    evaluation = WorkerEvaluation(run, STEP)
    assert not evaluation.done()
    with Heartbeat(evaluator_file(run, STEP), launch_id=launch_ids[0], over=False) as heartbeat:
        waited = time.monotonic() + SILENCE + 2  # a slow worker is no silent one
        while time.monotonic() < waited:
            assert not evaluation.done()
            time.sleep(0.2)
        write_result(run)
        heartbeat.update(over=True)
    assert evaluation.done()
    assert evaluation.result().metrics == THERE["metrics"]
    assert len(launch_ids) == 1


def test_a_silent_worker_is_waited_for_no_longer(run: RunFolder, launch_ids: list[str]) -> None:
    evaluation = WorkerEvaluation(run, STEP)
    assert not evaluation.done()
    with Heartbeat(evaluator_file(run, STEP), launch_id=launch_ids[0], over=False):
        time.sleep(1.5)
    silent = time.monotonic()
    assert not evaluation.done()
    assert fvd(evaluation) == HERE_FVD
    assert time.monotonic() - silent > SILENCE - 1.5


def test_where_a_worker_fails_it_is_measured_here(run: RunFolder, launch_ids: list[str]) -> None:
    evaluation = WorkerEvaluation(run, STEP)
    assert not evaluation.done()
    with Heartbeat(evaluator_file(run, STEP), launch_id="of another time", over=True) as heartbeat:
        assert not evaluation.done()
        heartbeat.update(launch_id=launch_ids[0])
    assert fvd(evaluation) == HERE_FVD


def test_what_fails_here_too_is_given_up(
    run: RunFolder, launch_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluations, "RETRY_PAUSES", (0.0,))
    monkeypatch.setenv("LIGHT_FAILURES", f"{STEP}:2:exit")
    evaluation = WorkerEvaluation(run, STEP)
    assert not evaluation.done()
    with Heartbeat(evaluator_file(run, STEP), launch_id=launch_ids[0], over=True):
        wait_until(evaluation.done)
    with pytest.raises(EvaluationFailedError, match="the evaluation of step-00000008 failed"):
        evaluation.result()


def test_one_that_is_cancelled_is_done(run: RunFolder, launch_ids: list[str]) -> None:
    evaluation = WorkerEvaluation(run, STEP)
    assert not evaluation.done()
    evaluation.cancel()
    assert evaluation.cancelled
    assert evaluation.done()
    assert not run.evaluation(STEP).exists()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_worker_measures_and_when_it_is_killed_the_run_does(tmp_path: Path) -> None:
    server = Server(tmp_path / "server", None)
    server.folder.mkdir()
    server.start()
    plain = LightRun(tmp_path / "plain", LIGHT_STEP_SECONDS="0")
    assert plain.finish() == 0
    mine = {key: server.environment[key] for key in ("PREFECT_API_URL", "PREFECT_HOME")}
    by_worker = {
        "DVDGAN_EVALUATION_WORKER": "1",
        "DVDGAN_NODE_TIMEOUT": "60",
        "LIGHT_HOLDS": "60",
    }
    run = LightRun(tmp_path / "tree", **mine, **by_worker)
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(
            ["infra/prefect/add_evaluator.sh"],
            cwd=PROJECT,
            env=server.environment | {"PYTHONPATH": str(HERE / "light")},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until(lambda: "started" in log.read_text(), log)
        with nothing_left(run):
            process = run.begin()
            run.await_that(lambda: len(run.events("evaluated")) == 7)
            run.await_that(lambda: len(measured(server, "COMPLETED")) >= 4)
            by_the_worker = measured(server, "COMPLETED")  # not all: the server is busy at times
            assert by_the_worker <= {f"measure step {step}" for step in range(0, 60, 8)}
            os.killpg(worker.pid, signal.SIGKILL)
            run.release(60)
            assert run.ended(process) == 0, run.log.read_text()
        assert (
            "had no heartbeat for 60 s: the checkpoint is measured on this host"
            in run.log.read_text()
        )
        assert run.outcome() == plain.outcome()
        assert measured(server, "CANCELLED") == {"measure step 64"}
    finally:
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        server.stop()


def measured(server: Server, state: str) -> set[str]:
    """The flow runs of `measure` that are in ``state``."""
    found = server.post("flow_runs/filter", {"flows": {"name": {"any_": ["measure"]}}})
    return {each["name"] for each in found if each["state_type"] == state}
