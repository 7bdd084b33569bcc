"""The same pipeline through Prefect: a real server, a real worker, the same dvc.lock."""

import time
from pathlib import Path

import psutil
import pytest
from local_prefect import Local, inside, prefect
from work_tree import run

pytestmark = pytest.mark.timeout(1500)  # the first test makes the work trees


def test_a_deployment_run_gives_what_dvc_repro_gives(local: Local, finished: Path) -> None:
    done = prefect(local, "deployment", "run", "pipeline/pipeline", "--watch")
    assert done.returncode == 0, done.stdout + done.stderr + local.log.read_text()[-4000:]

    assert (local.tree / "dvc.lock").read_bytes() == (finished / "dvc.lock").read_bytes()
    for pattern in ("artifacts/shards/*", "artifacts/reference/*/*"):
        theirs = sorted(finished.glob(pattern))
        assert theirs
        for path in theirs:
            same = local.tree / path.relative_to(finished)
            assert same.read_bytes() == path.read_bytes(), path

    stages = run(local.tree, "dvc", "stage", "list", "--name-only").stdout.split()
    tasks = [task["name"] for task in local.post("task_runs/filter", {"limit": 200})]
    assert sorted(name for name in tasks if name in stages) == sorted(stages)
    # `dvdgan train`, run by DVC inside its task, shows its own steps too.
    assert "evaluate step 12" in tasks and "evaluate step 24" in tasks
    assert any(name.startswith("launch") for name in tasks)
    logs = [line["message"] for line in local.post("logs/filter", {"limit": 200})]
    assert any("artifacts/shards" in line for line in logs), "stage output is not streamed"


def test_a_cancelled_run_stops_everything_and_can_go_on(local: Local) -> None:
    text = (local.tree / "params.yaml").read_text()
    (local.tree / "params.yaml").write_text(
        text.replace("train:\n  steps: 24", "train:\n  steps: 4000")
    )
    started = prefect(local, "deployment", "run", "pipeline/pipeline")
    assert started.returncode == 0, started.stderr
    deadline = time.monotonic() + 240
    while not _long_run_steps(local.tree):
        assert time.monotonic() < deadline, local.log.read_text()[-4000:]
        time.sleep(0.5)
    [running] = local.post(
        "flow_runs/filter",
        {
            "flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}},
            "flows": {"name": {"any_": ["pipeline"]}},
        },
    )
    cancelled = prefect(local, "flow-run", "cancel", running["id"])
    assert cancelled.returncode == 0, cancelled.stderr
    while _trainers(local.tree):
        assert time.monotonic() < deadline, "the trainer outlived the flow run"
        time.sleep(0.5)
    assert _long_run_steps(local.tree), "the interrupted run kept nothing"
    newest = max(local.tree.glob(".runs/train/*"), key=lambda path: path.stat().st_mtime)
    assert list(newest.glob("checkpoints/step-*/manifest.json"))


def _long_run_steps(tree: Path) -> int:
    """Steps of the newest run, 0 while the long one has not begun."""
    runs = [
        path
        for path in tree.glob(".runs/train/*")
        if '"steps": 4000' in (path / "settings.json").read_text()
    ]
    if not runs or not (runs[0] / "metrics.jsonl").exists():
        return 0
    return (runs[0] / "metrics.jsonl").read_text().count("\n")


def _trainers(tree: Path) -> list[psutil.Process]:
    return [each for each in inside(tree) if "dvdgan.training" in (each.info["cmdline"] or [])]
