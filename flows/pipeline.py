"""The whole pipeline as one flow: every stage of dvc.yaml is a task, run by DVC itself."""

import json
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from dvdgan.config import load_config
from flows.graph import stages_in_order
from flows.process_group import run_in_group


@task(name="stage", task_run_name="{stage}", cache_policy=NO_CACHE)
def run_stage(stage: str, folder: str) -> str:
    """Bring one stage up to date with `dvc repro`; "ran", "restored" or "skipped".

    DVC decides whether there is anything to do. Raises RuntimeError with its last lines on failure.
    """
    logger = get_run_logger()
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        logger.info(line)

    # Waits for the lock of another `dvc` command instead of failing.
    command = ["dvc", "--wait-for-lock", "repro", "--single-item", stage]
    code = run_in_group(command, folder, on_line)
    if code != 0:
        last = "\n".join(lines[-10:])
        raise RuntimeError(f"stage {stage} ended with exit code {code}; its last lines:\n{last}")
    return _outcome(lines)


@flow(name="pipeline")
def pipeline(folder: str = ".") -> dict[str, str]:
    """Run every stage of ``folder``/dvc.yaml in order; what is up to date is skipped.

    Gives the same artefacts and the same dvc.lock as `dvc repro`. params.yaml is checked first.
    """
    load_config(Path(folder) / "params.yaml")
    outcomes = {stage: run_stage(stage, folder) for stage in stages_in_order(folder)}
    _show_metrics(Path(folder) / "artifacts" / "evaluate" / "metrics.json")
    return outcomes


def _outcome(lines: list[str]) -> str:
    text = "\n".join(lines)
    if "didn't change, skipping" in text:
        return "skipped"
    return "restored" if "is cached - skipping run" in text else "ran"


def _show_metrics(path: Path) -> None:
    measured = json.loads(path.read_text(encoding="utf-8"))
    rows = [("generated", measured["generated"]), *measured["controls"].items()]
    names = list(measured["generated"])
    table = "\n".join(
        [
            f"| clips | {' | '.join(names)} |",
            "|---" * (len(names) + 1) + "|",
            *(
                "| ".join(["", label, *(_told(metrics.get(name)) for name in names), ""])
                for label, metrics in rows
            ),
        ]
    )
    create_markdown_artifact(table, key="metrics", description="The bundle and its controls")


def _told(metric: dict[str, Any] | None) -> str:
    """The value, with its 95% interval where there is one; "-" for what was not measured."""
    if metric is None:
        return "-"
    low, high = metric.get("interval") or (None, None)
    told = f"{metric['value']:.4g}"
    return told if low is None else f"{told} ({low:.4g} to {high:.4g})"
