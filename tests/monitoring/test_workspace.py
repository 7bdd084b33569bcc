"""The workspace against the history, by Evidently's own reader and by its own data series."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dvdgan.guard import ledger


def entry(step: int, clips: int, fvd: float | None, drifted: float) -> ledger.Event:
    fvd_key, drift_key = f"FVD[i3d,{clips},1a2b3c4d]", f"drifted[i3d,{clips},5e6f7a8b]"
    return {
        "at": f"2026-01-{step:02}T03:04:05+00:00",
        "run": "abc",
        "step": step,
        "metrics": {fvd_key: fvd},
        "names": {fvd_key: f"FVD[i3d, {clips} clips]"},
        "drifted": drifted,
        "drift_key": drift_key,
        "tree": ".",
    }


ENTRIES = [entry(10, 64, 90.0, 0.75), entry(20, 256, 30.5, 0.5), entry(30, 256, 20.25, 0.25)]
VALUES = {
    "10": {"FVD[i3d,64,1a2b3c4d]": 90.0, "drifted[i3d,64,5e6f7a8b]": 0.75},
    "20": {"FVD[i3d,256,1a2b3c4d]": 30.5, "drifted[i3d,256,5e6f7a8b]": 0.5},
    "30": {"FVD[i3d,256,1a2b3c4d]": 20.25, "drifted[i3d,256,5e6f7a8b]": 0.25},
}


def update_workspace(history: Path, workspace: Path) -> None:
    from dvdgan.monitoring import workspace as module  # evidently takes four seconds to import

    module.update_workspace(history, workspace)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "history.jsonl"
    for each in ENTRIES:
        ledger.append(path, each)
    return path


def snapshots(workspace: Path) -> list[Any]:
    from evidently.ui.workspace import Workspace

    opened = Workspace.create(str(workspace))
    [project] = opened.search_project("Scheduled evaluations")
    return [opened.get_run(project.id, each) for each in opened.list_runs(project.id)]


def values(workspace: Path) -> dict[str, dict[str, float]]:
    """The numbers of each snapshot, by step and key."""
    return {
        snapshot.metadata["step"]: {
            result.metric_value_location.metric.params["key"]: result.value
            for result in snapshot.metric_results.values()
        }
        for snapshot in snapshots(workspace)
    }


def dashboard(workspace: Path) -> Any:
    from evidently.ui.workspace import Workspace

    opened = Workspace.create(str(workspace))
    [project] = opened.search_project("Scheduled evaluations")
    return project.dashboard.model()


def test_snapshots_hold_the_values_of_the_history(history: Path, tmp_path: Path) -> None:
    update_workspace(history, tmp_path / "workspace")
    assert values(tmp_path / "workspace") == VALUES
    times = {
        each.metadata["step"]: each.timestamp.isoformat()
        for each in snapshots(tmp_path / "workspace")
    }
    assert times == {str(each["step"]): each["at"] for each in ENTRIES}


def test_a_rebuild_gives_the_same(history: Path, tmp_path: Path) -> None:
    """Entry by entry, or all at once."""
    grown = tmp_path / "grown.jsonl"
    for each in ENTRIES:
        ledger.append(grown, each)
        update_workspace(grown, tmp_path / "grown")
    update_workspace(history, tmp_path / "rebuilt")
    assert values(tmp_path / "grown") == values(tmp_path / "rebuilt") == VALUES
    one, other = dashboard(tmp_path / "grown"), dashboard(tmp_path / "rebuilt")
    assert [panel.title for panel in one.panels] == [panel.title for panel in other.panels]
    assert [panel.values for panel in one.panels] == [panel.values for panel in other.panels]


def test_an_update_writes_only_what_is_new(history: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    update_workspace(history, workspace)
    before = set(workspace.glob("*/snapshots/*.json"))
    ledger.append(history, entry(31, 256, None, 1.0))
    update_workspace(history, workspace)
    after = set(workspace.glob("*/snapshots/*.json"))
    assert before < after and len(after) == 4
    # A number that is not finite is left out.
    assert values(workspace)["31"] == {"drifted[i3d,256,5e6f7a8b]": 1.0}


def test_a_snapshot_cut_off_by_a_crash_is_written_anew(history: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    update_workspace(history, workspace)
    broken = sorted(workspace.glob("*/snapshots/*.json"))[1]
    broken.write_bytes(broken.read_bytes()[:100])
    update_workspace(history, workspace)
    assert values(workspace) == VALUES and len(snapshots(workspace)) == 3


def test_an_entry_that_left_the_history_leaves_the_workspace(tmp_path: Path, history: Path) -> None:
    update_workspace(history, tmp_path / "workspace")
    history.unlink()
    ledger.append(history, ENTRIES[0])
    update_workspace(history, tmp_path / "workspace")
    assert values(tmp_path / "workspace") == {"10": VALUES["10"]}


def test_numbers_measured_in_another_way_are_lines_of_their_own(
    history: Path, tmp_path: Path
) -> None:
    """By the series that Evidently's server draws; entries of older versions have bare names."""
    from evidently.ui.service.base import SeriesFilter
    from evidently.ui.service.storage.local.base import InMemoryDataStorage

    old = {"at": "2025-12-01T00:00:00+00:00", "run": "old", "step": 5, "metrics": {"FVD": 100.0}}
    ledger.append(history, {**old, "drifted": 0.5, "tree": "."})
    update_workspace(history, tmp_path / "workspace")
    model = dashboard(tmp_path / "workspace")
    panels = {panel.title: panel for panel in model.panels}
    assert list(panels) == ["FVD (lower is better)", "Share of drifted columns (lower is better)"]
    lines = panels["FVD (lower is better)"].values
    legends = ["i3d, 64, 1a2b3c4d", "i3d, 256, 1a2b3c4d", "FVD"]
    assert [line.legend for line in lines] == legends
    filters = [
        SeriesFilter(tags=[], metadata={}, metric=line.metric, metric_labels=line.metric_labels)
        for line in lines
    ]
    storage = InMemoryDataStorage(str(tmp_path / "workspace"))
    [project_id] = storage.state.projects
    drawn = asyncio.run(storage.get_data_series(project_id, filters, None, None)).series
    assert {
        legends[line.filter_index]: [v for v in line.values if v is not None] for line in drawn
    } == {
        "FVD": [100.0],
        "i3d, 64, 1a2b3c4d": [90.0],
        "i3d, 256, 1a2b3c4d": [30.5, 20.25],
    }
