"""One task is one `dvc repro` of one stage: DVC decides whether there is anything to do."""

import os
from pathlib import Path

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from flows.process_group import run_in_group


@task(name="stage", task_run_name="{stage}", cache_policy=NO_CACHE, persist_result=False)
def run_stage(stage: str, folder: str) -> str:
    """Bring one stage up to date with `dvc repro`; "ran", "restored" or "skipped".

    Raises RuntimeError with its last lines on failure.
    """
    # Waits for the lock of another `dvc` command instead of failing.
    lines = logged(["dvc", "--wait-for-lock", "repro", "--single-item", stage], folder)
    text = "\n".join(lines)
    if "didn't change, skipping" in text:
        return "skipped"
    return "restored" if "is cached - skipping run" in text else "ran"


def logged(command: list[str], folder: str) -> list[str]:
    """Run ``command`` in ``folder`` and log every line it prints; returns the lines.

    The code that DVC sees there is the code that runs, wherever the package is installed from.
    Raises RuntimeError with the command's last lines when it fails.
    """
    logger = get_run_logger()
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        logger.info(line)

    path = os.pathsep.join(filter(None, (str(Path(folder).resolve()), os.getenv("PYTHONPATH"))))
    code = run_in_group(["env", f"PYTHONPATH={path}", *command], folder, on_line)
    if code != 0:
        last = "\n".join(lines[-10:])
        raise RuntimeError(f"`{' '.join(command)}` ended with exit code {code}:\n{last}")
    return lines
