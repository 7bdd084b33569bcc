"""The training supervisor with its steps as Prefect tasks.

`dvdgan train` starts `python -m flows.train RUN_FOLDER` when PREFECT_API_URL is set: every launch,
evaluation and rollback is then a task run with logs. What is decided stands in the run's ledger,
never in Prefect: a server that is gone takes nothing with it.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, tags, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture

from dvdgan.config.guard import Guard
from dvdgan.config.schema import RunSettings
from dvdgan.errors import EXIT_INTERRUPTED, EXIT_USER_ERROR, InterruptedRunError, UserError
from dvdgan.guard import ledger
from dvdgan.guard.interruption import interrupt_on_signals
from dvdgan.guard.lifeline import die_with_parent
from dvdgan.guard.processes import EvaluationProcess, Measured, TrainerProcess
from dvdgan.guard.run_folder import RunFolder
from dvdgan.guard.steps import PlainSteps
from dvdgan.guard.supervisor import supervise

POLL_SECONDS = 0.2


@task(name="launch", cache_policy=NO_CACHE, persist_result=False)
def launch(run: RunFolder) -> TrainerProcess:
    """Start the trainer; it resumes from the newest whole checkpoint."""
    return PlainSteps().launch(run)


@task(name="evaluate", task_run_name="evaluate step {step}", cache_policy=NO_CACHE)
def evaluate(process: EvaluationProcess, step: int) -> Measured:
    """Measure one checkpoint."""
    while not process.done():
        time.sleep(POLL_SECONDS)
    return process.result()


@task(name="roll back", task_run_name="roll back to step {to_step}", cache_policy=NO_CACHE)
def roll_back(run: RunFolder, to_step: int, guard: Guard, reasons: list[str]) -> None:
    """Move later checkpoints aside and change the course."""
    PlainSteps().roll_back(run, to_step, guard, reasons)


class TaskEvaluation:
    """An evaluation as a task run, submitted when it is first asked whether it is done."""

    def __init__(self, run: RunFolder, step: int) -> None:
        self._process = EvaluationProcess(run, step)
        self._future: PrefectFuture[Measured] | None = None

    def done(self) -> bool:
        if self._future is None:
            self._future = evaluate.submit(self._process, self._process.step)
        return self._future.state.is_final()

    def result(self) -> Measured:
        assert self._future is not None
        return self._future.result()

    def cancel(self) -> None:
        self._process.cancel()


class TaskSteps:
    """The supervisor's steps as task runs."""

    def launch(self, run: RunFolder) -> TrainerProcess:
        return launch(run)

    def evaluate(self, run: RunFolder, step: int) -> TaskEvaluation:
        return TaskEvaluation(run, step)

    def approve(self, run: RunFolder, to_step: int, reasons: list[str]) -> bool:
        return True

    def roll_back(self, run: RunFolder, to_step: int, guard: Guard, reasons: list[str]) -> None:
        roll_back(run, to_step, guard, reasons)

    def announce(self, event: dict[str, Any]) -> None:
        get_run_logger().info(ledger.describe(event))


@flow(name="train")
def train(run_folder: str) -> int:
    """Bring a prepared run folder to its end; returns the step of the best good checkpoint."""
    run = RunFolder(Path(run_folder))
    settings = RunSettings.model_validate_json(run.settings.read_text(encoding="utf-8"))
    return supervise(run, settings.train, TaskSteps())


def main() -> int:
    """Run the flow on the folder given; the exit code is that of `dvdgan train`."""
    die_with_parent()
    interrupt_on_signals()
    parent = os.environ.get("PREFECT__FLOW_RUN_ID")
    try:
        with tags(*([f"parent:{parent}"] if parent else [])):
            train(sys.argv[1])
    except InterruptedRunError as stopped:
        print(f"train: {stopped}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    return 0


if __name__ == "__main__":
    sys.exit(main())
