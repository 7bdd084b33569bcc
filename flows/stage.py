"""A task per stage that calls `dvc repro`: DVC decides whether the stage has to run."""

import os
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from dvdgan.errors import redacted
from flows.process_group import run_in_group

EXPLAINED = {
    "ran": "DVC ran the stage because its dependencies had changed",
    "restored": "DVC restored the outputs from its cache",
    "skipped": "DVC found the outputs up to date",
}


class BusyError(RuntimeError):
    """Another `dvc repro` of the same work tree is running the stage or a stage it depends on."""


def _is_busy(_task: Any, _run: Any, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), BusyError)


# A failed stage would fail again. A stage that another command is running is retried for up to two
# hours.
@task(
    name="stage",
    task_run_name="{stage}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=240,
    retry_delay_seconds=30,
    retry_condition_fn=_is_busy,
)
def stage_task(stage: str, folder: str) -> State[str]:
    """Bring one stage up to date with `dvc repro`; the state is called Ran, Restored or Skipped."""
    outcome = reproduce(stage, folder)
    return Completed(name=outcome.capitalize(), message=EXPLAINED[outcome], data=outcome)


def run_stage(stage: str, folder: str) -> str:
    """Run `stage_task` inside a flow; "ran", "restored" or "skipped"."""
    state = stage_task(stage, folder, return_state=True)
    return str(state.result())  # raises what went wrong


def reproduce(stage: str, folder: str) -> str:
    """Run `dvc repro` of one stage; return "ran", "restored" or "skipped".

    Raises BusyError if another command is running it, RuntimeError with its last lines when it
    fails.
    """
    # Waits for DVC's own lock; a stage that runs elsewhere makes it fail all the same.
    try:
        lines = logged(["dvc", "--wait-for-lock", "repro", "--single-item", stage], folder)
    except RuntimeError as error:
        if "is busy, it is being blocked by" in str(error):
            raise BusyError(str(error)) from error
        raise
    text = "\n".join(lines)
    if "didn't change, skipping" in text:
        return "skipped"
    return "restored" if "is cached - skipping run" in text else "ran"


def logged(command: list[str], folder: str) -> list[str]:
    """Run ``command`` in ``folder``, log every line it prints, without credentials; return them.

    The code that DVC sees there is the code that runs, wherever the package is installed from.
    Raises RuntimeError with the command's last lines when it fails.
    """
    logger = get_run_logger()
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(redacted(line))
        logger.info(lines[-1])

    path = os.pathsep.join(filter(None, (str(Path(folder).resolve()), os.getenv("PYTHONPATH"))))
    code = run_in_group(["env", f"PYTHONPATH={path}", *command], folder, on_line)
    if code != 0:
        last = "\n".join(lines[-10:])
        line = redacted(" ".join(command))
        raise RuntimeError(f"`{line}` ended with exit code {code}:\n{last}")
    return lines
