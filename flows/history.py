"""The record of scheduled evaluations, one line each; Evidently's workspace is derived from it."""

import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import get_run_logger

from dvdgan.guard.ledger import append, read_records
from dvdgan.storage.local import read_json
from flows.stage import logged

LINES = Path(".runs/evaluate/history.jsonl")
WORKSPACE = Path(".runs/evaluate/workspace")

EvaluationEntry = dict[str, Any]


def find_entry(folder: Path, run_name: str, step: int) -> EvaluationEntry | None:
    """The newest entry of the same checkpoint; None if it was not measured yet."""
    for entry in reversed(read_records(folder / LINES)):
        if (entry["run"], entry["step"]) == (run_name, step):
            return entry
    return None


def add_entry(folder: Path, run_name: str, step: int, tree: Path) -> EvaluationEntry:
    """Append what the stages after train have left in the work tree ``tree``."""
    measured = read_json(tree / "artifacts/evaluate/results.json")["generated"]
    drift = read_json(tree / "artifacts/monitor/summary.json")
    entry: EvaluationEntry = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": run_name,
        "step": step,
        "metrics": {key: metric["value"] for key, metric in measured.items()},
        "names": {key: metric["name"] for key, metric in measured.items()}
        | {drift["key"]: drift["name"]},
        "drifted": drift["share"],
        "drift_key": drift["key"],
        "tree": str(tree.relative_to(folder)),
    }
    (folder / LINES).parent.mkdir(parents=True, exist_ok=True)
    append(folder / LINES, entry)
    return entry


def update_workspace(folder: Path) -> None:
    """Add the new entries to Evidently's workspace, which `make evidently` serves.

    A failure is a warning: the entries are recorded, and the next update adds them.
    """
    command = [sys.executable, "-m", "dvdgan.monitoring.workspace", str(LINES), str(WORKSPACE)]
    try:
        logged(command, str(folder))
    except (OSError, RuntimeError) as error:
        get_run_logger().warning(
            "the evaluation is recorded, but could not be added to %s: %s", WORKSPACE, error
        )


def value_of(entry: EvaluationEntry, metric: str) -> float | None:
    """The value of a metric by its bare name, FVD; None: not measured, or not finite."""
    for key, value in entry["metrics"].items():
        if bare_name(key) == metric:
            number: float | None = value
            return number
    return None


def bare_name(key: str) -> str:
    """FVD of FVD[self_trained,256,6c9cebed]."""
    return key.partition("[")[0]


def numbers(entry: EvaluationEntry) -> dict[str, float | None]:
    """All numbers under the keys of results.json, which only numbers that compare share.

    Entries of older versions have bare names.
    """
    return {**entry["metrics"], entry.get("drift_key", "drifted"): entry["drifted"]}


def newest_rows(folder: Path, count: int) -> dict[str, dict[str, float | str | None]]:
    """The newest ``count`` entries as rows of a table, the newest first.

    A metric has its bare name where all of them compare, else the keys of results.json.
    """
    entries = read_records(folder / LINES)[-count:]
    keys = {key for entry in entries for key in numbers(entry)}
    number_of = Counter(map(bare_name, keys))
    shown = {key: key if number_of[bare_name(key)] > 1 else bare_name(key) for key in keys}
    return {
        f"{entry['at']} {entry['run']} step {entry['step']}": {
            shown[key]: value for key, value in numbers(entry).items()
        }
        for entry in reversed(entries)
    }


def describe(entry: EvaluationEntry) -> str:
    """One entry as a line of text."""
    values = ", ".join(
        f"{bare_name(key)} {'not finite' if value is None else format(value, '.4g')}"
        for key, value in entry["metrics"].items()
    )
    return f"step {entry['step']} of run {entry['run']}: {values}, drifted {entry['drifted']:.0%}"
