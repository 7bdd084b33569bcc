"""A workspace of Evidently's with the scheduled evaluations: a snapshot each, and lines over time.

    python -m dvdgan.monitoring.workspace HISTORY WORKSPACE

The workspace is derived from the history: it may be deleted and is then written again.
"""

import json
import os
import sys
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any

os.environ["DO_NOT_TRACK"] = "1"  # read by evidently when it is imported

import pandas as pd
from evidently import Dataset, Report
from evidently.core.metric_types import (
    SingleValue,
    SingleValueCalculation,
    SingleValueMetric,
)
from evidently.core.report import Snapshot
from evidently.sdk.models import DashboardPanelPlot, PanelMetric
from evidently.sdk.panels import line_plot_panel
from evidently.ui.workspace import Project, Workspace

from dvdgan.guard import ledger
from dvdgan.storage.reading import reading

PROJECT = "Scheduled evaluations"
TITLES = {
    "FVD": "FVD (lower is better)",
    "FID": "FID (lower is better)",
    "IS": "Inception Score (higher is better)",
    "drifted": "Share of drifted columns (lower is better)",
}


class Measured(SingleValueMetric):  # type: ignore[misc]
    """A number that was measured elsewhere, in the column ``key`` of a table of one row.

    The value is not a parameter: Evidently draws a line for each set of parameters.
    """

    key: str
    """Only numbers that compare share one, and so a line."""
    full_name: str

    def _default_tests(self, context: Any) -> list[Any]:
        return []


class MeasuredCalculation(SingleValueCalculation[Measured]):  # type: ignore[misc]
    """Reads the number from the table."""

    def calculate(self, context: Any, current_data: Dataset, reference_data: Any) -> SingleValue:
        """The only value of the column."""
        return self.result(current_data.column(self.metric.key).data.iloc[0])

    def display_name(self) -> str:
        """The title in the snapshot's page."""
        return str(self.metric.full_name)


def update_workspace(history: Path, workspace: Path) -> None:
    """Make the project in ``workspace`` show the evaluations in ``history``, and no others.

    Existing snapshots are kept; a snapshot that cannot be read is written again.
    """
    with reading(history, "a history of evaluations"):
        entries = {_label(entry): entry for entry in ledger.read_records(history)}
    _delete_truncated(workspace)
    opened = Workspace.create(str(workspace))
    project = next(iter(opened.search_project(PROJECT)), None) or opened.create_project(PROJECT)
    for label in entries.keys() - _kept(opened, project, entries.keys()):
        opened.add_run(project.id, _snapshot(label, entries[label]))
    project.dashboard.clear_dashboard()
    for panel in _panels(list(entries.values())):
        project.dashboard.add_panel(panel)


def numbers(entry: ledger.Event) -> dict[str, float]:
    """The finite numbers of one evaluation by key, drift included.

    Entries of older versions have bare names as keys.
    """
    values = {**entry["metrics"], entry.get("drift_key", "drifted"): entry["drifted"]}
    return {key: float(value) for key, value in values.items() if value is not None}


def _delete_truncated(workspace: Path) -> None:
    """Delete snapshots cut off by a crash: Evidently opens no workspace that has one."""
    for file in workspace.glob("*/snapshots/*.json"):
        try:
            json.loads(file.read_bytes())
        except ValueError:
            file.unlink()


def _kept(workspace: Workspace, project: Project, labels: Collection[str]) -> set[str]:
    """The labels of the snapshots that are there; what is not one of ``labels`` is deleted."""
    kept: set[str] = set()
    for snapshot_id in workspace.list_runs(project.id):
        name = workspace.get_run(project.id, snapshot_id).name
        if name in labels and name not in kept:
            kept.add(name)
        else:
            workspace.delete_run(project.id, snapshot_id)
    return kept


def _label(entry: ledger.Event) -> str:
    return f"{entry['run']} step {entry['step']}, {entry['at']}"


def _snapshot(label: str, entry: ledger.Event) -> Snapshot:
    values, names = numbers(entry), entry.get("names", {})
    metrics = [Measured(key=key, full_name=names.get(key, key)) for key in values]
    return Report(metrics).run(
        pd.DataFrame([values]),
        None,
        timestamp=datetime.fromisoformat(entry["at"]),
        metadata={"run": entry["run"], "step": str(entry["step"])},
        name=label,
    )


def _legend(key: str) -> str:
    """FVD[self_trained,256,1a2b3c4d] -> self_trained, 256, 1a2b3c4d."""
    return key.partition("[")[2].rstrip("]").replace(",", ", ") or key


def _panels(entries: list[ledger.Event]) -> list[DashboardPanelPlot]:
    """A panel for each metric by its bare name; in it a line for each key."""
    full_names = {key: name for entry in entries for key, name in entry.get("names", {}).items()}
    keys: dict[str, list[str]] = {name: [] for name in TITLES}
    for key in dict.fromkeys(key for entry in entries for key in numbers(entry)):
        keys.setdefault(key.partition("[")[0], []).append(key)
    return [
        line_plot_panel(
            TITLES.get(name, name),
            [
                PanelMetric(metric="Measured", metric_labels={"key": key}, legend=_legend(key))
                for key in own
            ],
            description="; ".join(full_names.get(key, key) for key in own),
            size="half",
        )
        for name, own in keys.items()
        if own
    ]


if __name__ == "__main__":
    update_workspace(Path(sys.argv[1]), Path(sys.argv[2]))
