"""The training supervisor with its actions as Prefect tasks.

`dvdgan train` starts `python -m flows.train RUN_FOLDER` when PREFECT_API_URL is set: every launch,
evaluation and rollback is then a task run with logs. All decisions are recorded in the run's ledger
and none waits for the server; while it is unavailable, tasks are not shown.
"""

import os
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NoReturn

from prefect import State, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.events.worker import EventsWorker
from prefect.exceptions import ExternalSignal, PrefectSignal
from prefect.futures import PrefectFuture
from prefect.logging import get_logger
from prefect.settings import (
    PREFECT_API_REQUEST_TIMEOUT,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)
from prefect.states import Cancelled, Completed, Failed

from dvdgan.config.guard import Guard
from dvdgan.config.schema import RunSettings, Train
from dvdgan.errors import (
    EXIT_INTERRUPTED,
    EXIT_USER_ERROR,
    InterruptedRunError,
    UserError,
    redacted,
)
from dvdgan.guard import ledger
from dvdgan.guard.evaluations import EvaluationProcess, EvaluationResult
from dvdgan.guard.health import COLLAPSED, Verdict
from dvdgan.guard.interruption import raise_if_interrupted, record_signals
from dvdgan.guard.parent_death_signal import set_parent_death_signal
from dvdgan.guard.run_folder import RunFolder
from dvdgan.guard.supervisor import Decision, SupervisorActions, Trainer, supervise
from dvdgan.machine import Machine
from flows.approval import request_approval
from flows.best_effort import await_server
from flows.events import emit
from flows.measure import WorkerEvaluation
from flows.nodes import launch_on_nodes
from flows.run_page import RunPage

POLL_SECONDS = 0.2

# The flow is begun and ended with a server that may be busy, or gone: seconds, never minutes. What
# was not sent within DRAIN_SECONDS of the end is never sent.
QUICK = {PREFECT_CLIENT_MAX_RETRIES: 2, PREFECT_API_REQUEST_TIMEOUT: 20.0}
DRAIN_SECONDS = 20.0
RESTART_SECONDS = 30.0


@task(name="launch", cache_policy=NO_CACHE, persist_result=False)
def launch(run: RunFolder) -> Trainer:
    """Start the trainer, here or on DVDGAN_NODES; it resumes from the latest valid checkpoint."""
    begun = max(run.saved_steps(), default=0)
    get_run_logger().info("restart %d, from step %d", run.schedule_override().restart_index, begun)
    machine = Machine.load()
    if machine.nodes.hosts:
        return launch_on_nodes(run, machine)
    return SupervisorActions().launch(run)


@task(name="evaluate", task_run_name="evaluate step {step}", cache_policy=NO_CACHE)
def evaluate(
    process: EvaluationProcess | WorkerEvaluation, step: int
) -> EvaluationResult | State[Any]:
    """Measure one checkpoint."""
    while not process.done():
        time.sleep(POLL_SECONDS)
    if process.cancelled:
        return Cancelled(message="the trainer is being stopped, so the evaluation is cancelled")
    result = process.result()
    get_run_logger().info("%s, %s", result.metrics, result.health)
    return result


@task(name="roll back", task_run_name="roll back to step {to_step}", cache_policy=NO_CACHE)
def roll_back(run: RunFolder, to_step: int, guard: Guard, verdict: Verdict) -> None:
    """Move later checkpoints aside and change the schedule."""
    SupervisorActions().roll_back(run, to_step, guard, verdict)
    get_run_logger().info(ledger.describe(ledger.read(run.ledger)[-1]))


class TaskEvaluation:
    """An evaluation as a task run, submitted at the first call of `done`."""

    def __init__(self, run: RunFolder, step: int) -> None:
        elsewhere = Machine.load().evaluation.worker
        self._process = (WorkerEvaluation if elsewhere else EvaluationProcess)(run, step)
        self._task: PrefectFuture[Any] | None = None
        self._ended = threading.Event()

    def done(self) -> bool:
        if self._task is None:
            self._task = evaluate.submit(self._process, self._process.step)
            # The state of a running task would be a request to the server.
            self._task.add_done_callback(lambda _: self._ended.set())
        # Where Prefect ended the task without a result, the process continues here.
        return self._ended.is_set() and self._process.done()

    def result(self) -> EvaluationResult:
        return self._process.result()

    def cancel(self) -> None:
        self._process.cancel()


class TaskActions(SupervisorActions):
    """The supervisor's actions as task runs, with a page that shows the state of the run."""

    def __init__(self, run: RunFolder, page: RunPage) -> None:
        self._run, self._page = run, page
        self._approve = Machine.load().prefect.approve_rollbacks

    def launch(self, run: RunFolder) -> Trainer:
        self._page.refresh()
        return launch(run)

    def evaluate(self, run: RunFolder, step: int) -> TaskEvaluation:
        return TaskEvaluation(run, step)

    def approve(self, run: RunFolder, to_step: int, reasons: list[str]) -> Decision:
        self._page.refresh()
        return request_approval(run, to_step, reasons) if self._approve else Decision()

    def roll_back(self, run: RunFolder, to_step: int, guard: Guard, verdict: Verdict) -> None:
        roll_back(run, to_step, guard, verdict)

    def announce(self, event: dict[str, Any]) -> None:
        get_run_logger().info(ledger.describe(event))
        _emit(self._run, event)
        self._page.refresh()


def _emit(run: RunFolder, event: dict[str, Any]) -> None:
    name = run.root.name
    match event["event"]:
        case "saved":
            emit("saved", name, event["step"], {})
        case "rolled_back":
            emit("rolled_back", name, event["to_step"], event)
        case "never_learned":
            emit("never_learned", name, event["reached"], event)
        case "evaluated" if event["verdict"] == COLLAPSED:
            emit("collapsed", name, event["step"], event)
        case "evaluated" if event["step"] in ledger.best_so_far(ledger.read(run.ledger)):
            emit("best", name, event["step"], event)


def supervise_in_prefect(run: RunFolder, train: Train) -> int:
    """`supervise`, shown as a flow run; if Prefect fails, it continues from the ledger without
    Prefect.

    Raises what `supervise` raises.
    """
    ended: Future[int] = Future()

    @flow(
        name="train",
        flow_run_name=f"run {run.root.name}",
        description=__doc__,
        persist_result=False,
    )
    def shown(run_folder: str) -> State[Any]:
        record_signals()  # Prefect has taken SIGTERM for itself
        page = RunPage(run, train.steps)
        try:
            ended.set_result(supervise(run, train, TaskActions(run, page)))
            await_server(RESTART_SECONDS)  # else it may be shown as running for ever
        except (InterruptedRunError, UserError) as error:
            ended.set_exception(error)
        finally:
            page.close(DRAIN_SECONDS)
        return _last_state(ended)

    try:
        with temporary_settings(QUICK):
            shown(str(run.root), return_state=True)
    except (Exception, PrefectSignal, ExternalSignal) as error:
        why = redacted(str(error))
        get_logger("dvdgan").warning("this run is not shown in Prefect any more: %s", why)
    if ended.done():
        return ended.result()
    raise_if_interrupted()
    Machine.load().refuse_without_prefect()
    return supervise(run, train, SupervisorActions())


def _last_state(ended: "Future[int]") -> State[Any]:
    match ended.exception():
        case None:
            return Completed(message=f"best checkpoint at step {ended.result()}")
        case InterruptedRunError() as stopped:
            return Cancelled(message=f"{stopped}; the same command resumes")
        case error:
            return Failed(message=str(error))


def main() -> int:
    """Run the flow on the folder given; the exit code is that of `dvdgan train`."""
    set_parent_death_signal()
    record_signals()
    run = RunFolder(Path(sys.argv[1]))
    settings = RunSettings.model_validate_json(run.settings.read_text(encoding="utf-8"))
    try:
        supervise_in_prefect(run, settings.train)
    except InterruptedRunError as stopped:
        print(f"train: {stopped}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    return 0


def leave(code: int) -> NoReturn:
    """End this process, though Prefect's threads would try for minutes to reach a server."""
    EventsWorker.drain_all(timeout=DRAIN_SECONDS)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
