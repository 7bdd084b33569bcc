"""Evaluations on another host: the flow `measure` on its worker, and who asks for it.

infra/prefect/add_evaluator.sh makes a host's worker; docs/clusters.md tells it whole. Prefect only
passes on what is wanted, and what no longer is; all else is told by files in the run folder.
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

from dvdgan.guard.environment import RunEnvironment
from dvdgan.guard.evaluations import EvaluationProcess, Measured
from dvdgan.guard.heartbeat import Heartbeat, HeartbeatReader
from dvdgan.guard.run_folder import RunFolder, step_name
from flows.best_effort import best_effort, impatient_client

POLL_SECONDS = 0.2
ASKED_AGAIN = 2  # a busy server says no at times


def evaluator_file(run: RunFolder, step: int) -> Path:
    """Written by a worker that measures: {launch_id, over}; over: whether it has ended."""
    return run.root / "nodes" / f"evaluation-{step_name(step)}.json"


@flow(name="measure", persist_result=False)
def measure(folder: str, run_folder: str, step: int, launch_id: str) -> None:
    """Measure one checkpoint, for the flow `train`, which starts this: not by hand.

    ``folder``, a work tree, and ``run_folder`` lie on a file system that both hosts see.
    """
    run = RunFolder(Path(run_folder))
    heartbeat = Heartbeat(evaluator_file(run, step), launch_id=launch_id, over=False)
    with contextlib.chdir(folder), heartbeat:
        try:
            process = EvaluationProcess(run, step)
            while not process.done():
                time.sleep(POLL_SECONDS)
            measured = process.result()
            get_run_logger().info("%s, %s", measured.metrics, measured.health)
        finally:
            heartbeat.update(over=True)


class WorkerEvaluation:
    """An evaluation that a worker is asked for, used like an EvaluationProcess.

    It is begun here instead where the worker's run fails, and where nothing is heard of one for
    DVDGAN_NODE_TIMEOUT seconds: none is there, all are busy, or theirs was killed.
    """

    def __init__(self, run: RunFolder, step: int) -> None:
        self.step = step
        self._run = run
        self._here = EvaluationProcess(run, step)
        self._timeout = RunEnvironment.from_environment().node_timeout
        self._ticket = uuid.uuid4().hex
        self._listener: HeartbeatReader | None = None
        self._asked: FlowRun | None = None

    @property
    def cancelled(self) -> bool:
        return self._here.cancelled

    def done(self) -> bool:
        """To be asked by one thread, that of the task, since it may wait for the server."""
        if self._here.cancelled:
            self._withdraw()
            return True
        if self._here.measured:
            return self._here.done()
        if self._listener is None:
            self._asked = self._ask()
            self._listener = HeartbeatReader(evaluator_file(self._run, self.step))
        if self._asked is not None:
            told = self._listener.read()
            failed = told.get("launch_id") == self._ticket and told["over"]
            if not failed and self._listener.seconds_since_last_seen() <= self._timeout:
                return False
            # What was measured while the file was read counts.
            if not self._here.measured:
                get_run_logger().warning(
                    "the worker's evaluation of step %d %s: it is measured here",
                    self.step,
                    "failed" if failed else f"was not heard of for {self._timeout:g} s",
                )
            self._withdraw()
        return self._here.done()

    def result(self) -> Measured:
        """What was measured. Raises EvaluationFailedError where it failed here, too."""
        return self._here.result()

    def cancel(self) -> None:
        self._here.cancel()

    def _ask(self) -> FlowRun | None:
        with (
            best_effort("the evaluation that a worker is to do"),
            temporary_settings({PREFECT_CLIENT_MAX_RETRIES: ASKED_AGAIN}),
        ):
            parameters = {
                "folder": str(Path.cwd()),
                "run_folder": str(self._run.root.absolute()),
                "step": self.step,
                "launch_id": self._ticket,
            }
            asked = run_deployment(
                "measure/checkpoint",
                parameters=parameters,
                flow_run_name=f"measure step {self.step}",
                timeout=0,
                # An answer that was lost must not start a second one.
                idempotency_key=self._ticket,
            )
            assert isinstance(asked, FlowRun)  # a coroutine only where an event loop runs
            return asked
        return None

    def _withdraw(self) -> None:
        asked, self._asked = self._asked, None
        if asked is None:
            return
        with best_effort("an evaluation that is not wanted any more"), impatient_client() as client:
            state = client.read_flow_run(asked.id).state
            if state is None or state.is_scheduled():
                client.set_flow_run_state(asked.id, Cancelled(), force=True)
            elif not state.is_final():
                client.set_flow_run_state(asked.id, Cancelling(), force=True)
