"""Evaluations on another host: the flow `measure` on its worker, and the evaluation that starts it.

infra/prefect/add_evaluator.sh makes a host's worker; see docs/clusters.md. Prefect only passes on
what is wanted, and what no longer is; all else passes through files in the run folder.
"""

import contextlib
import time
import uuid
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Cancelled, Cancelling

from dvdgan.guard.evaluations import EvaluationProcess, EvaluationResult
from dvdgan.guard.heartbeat import Heartbeat, HeartbeatReader
from dvdgan.guard.run_folder import RunFolder, step_name
from dvdgan.machine import Machine
from flows.best_effort import best_effort, impatient_client

POLL_SECONDS = 0.2
SUBMIT_RETRIES = 2  # a busy server refuses at times


def evaluator_file(run: RunFolder, step: int) -> Path:
    """Written by a worker that measures: {launch_id, over}; over: whether it has ended."""
    return run.root / "nodes" / f"evaluation-{step_name(step)}.json"


@flow(name="measure", persist_result=False)
def measure(folder: str, run_folder: str, step: int, launch_id: str) -> None:
    """Measure one checkpoint. Started by the flow `train`, not by hand.

    ``folder``, a work tree, and ``run_folder`` are on a file system that both hosts share.
    """
    run = RunFolder(Path(run_folder))
    heartbeat = Heartbeat(evaluator_file(run, step), launch_id=launch_id, over=False)
    with contextlib.chdir(folder), heartbeat:
        try:
            process = EvaluationProcess(run, step)
            while not process.done():
                time.sleep(POLL_SECONDS)
            result = process.result()
            get_run_logger().info("%s, %s", result.metrics, result.health)
        finally:
            heartbeat.update(over=True)


class WorkerEvaluation:
    """An evaluation by a worker, used like an EvaluationProcess.

    It is started on this host instead if the worker's run fails, or if no worker has a heartbeat
    for DVDGAN_NODE_TIMEOUT seconds: there is none, all are busy, or it was killed.
    """

    def __init__(self, run: RunFolder, step: int) -> None:
        self.step = step
        self._run = run
        self._here = EvaluationProcess(run, step)
        self._timeout = Machine.load().nodes.timeout
        self._launch_id = uuid.uuid4().hex
        self._heartbeat: HeartbeatReader | None = None
        self._flow_run: FlowRun | None = None

    @property
    def cancelled(self) -> bool:
        return self._here.cancelled

    def done(self) -> bool:
        """For one thread, that of the task, since it may wait for the server."""
        if self._here.cancelled:
            self._withdraw()
            return True
        if self._here.measured:
            return self._here.done()
        if self._heartbeat is None:
            self._flow_run = self._submit()
            self._heartbeat = HeartbeatReader(evaluator_file(self._run, self.step))
        if self._flow_run is not None:
            seen = self._heartbeat.read()
            failed = seen.get("launch_id") == self._launch_id and seen["over"]
            if not failed and self._heartbeat.seconds_since_last_seen() <= self._timeout:
                return False
            # What was measured while the file was read counts.
            if not self._here.measured:
                get_run_logger().warning(
                    "the worker's evaluation of step %d %s: the checkpoint is measured on this "
                    "host",
                    self.step,
                    "failed" if failed else f"had no heartbeat for {self._timeout:g} s",
                )
            self._withdraw()
        return self._here.done()

    def result(self) -> EvaluationResult:
        """What was measured. Raises EvaluationFailedError if it failed here, too."""
        return self._here.result()

    def cancel(self) -> None:
        self._here.cancel()

    def _submit(self) -> FlowRun | None:
        with (
            best_effort("the evaluation that a worker is to do"),
            temporary_settings({PREFECT_CLIENT_MAX_RETRIES: SUBMIT_RETRIES}),
        ):
            parameters = {
                "folder": str(Path.cwd()),
                "run_folder": str(self._run.root.absolute()),
                "step": self.step,
                "launch_id": self._launch_id,
            }
            submitted = run_deployment(
                "measure/checkpoint",
                parameters=parameters,
                flow_run_name=f"measure step {self.step}",
                timeout=0,
                # A lost response must not start a second one.
                idempotency_key=self._launch_id,
            )
            assert isinstance(submitted, FlowRun)  # a coroutine only where an event loop runs
            return submitted
        return None

    def _withdraw(self) -> None:
        submitted, self._flow_run = self._flow_run, None
        if submitted is None:
            return
        with best_effort("an evaluation that is not wanted any more"), impatient_client() as client:
            state = client.read_flow_run(submitted.id).state
            if state is None or state.is_scheduled():
                client.set_flow_run_state(submitted.id, Cancelled(), force=True)
            elif not state.is_final():
                client.set_flow_run_state(submitted.id, Cancelling(), force=True)
