"""The same pipeline through Prefect: a real server, a real worker, the same dvc.lock."""

import re
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from held_trainer import steps
from local_prefect import Local, inside, prefect
from work_tree import run_fork

pytestmark = pytest.mark.timeout(1500)  # the first test makes the work trees


def lines(local: Local) -> Iterator[str]:
    """All lines of all runs' logs, which the server hands out 200 at a time."""
    offset = 0
    while page := local.post("logs/filter", {"limit": 200, "offset": offset}):
        yield from (line["message"] for line in page)
        offset += len(page)


def pipeline_runs(local: Local, state: str) -> list[str]:
    """The ids of the runs of the pipeline that are in ``state``."""
    wanted = {
        "flow_runs": {"state": {"type": {"any_": [state]}}},
        "flows": {"name": {"any_": ["pipeline"]}},
    }
    return [each["id"] for each in local.post("flow_runs/filter", wanted)]


def cancel_in_the_middle_of_train(local: Local) -> None:
    """Start a run, cancel it while its trainer holds, and wait until that has ended.

    By the requests of the browser's buttons: a `prefect` command takes four seconds of a core.
    """
    [deployment] = local.post(
        "deployments/filter", {"deployments": {"name": {"any_": ["pipeline"]}}}
    )
    running = local.post(f"deployments/{deployment['id']}/create_flow_run", {})["id"]
    deadline = time.monotonic() + 600
    while steps(local.tree) < 13:
        assert time.monotonic() < deadline, local.log.read_text()[-4000:]
        time.sleep(0.2)
    assert pipeline_runs(local, "RUNNING") == [running]
    cancelling = {"type": "CANCELLING", "name": "Cancelling"}
    local.post(f"flow_runs/{running}/set_state", {"state": cancelling})
    while pipeline_runs(local, "CANCELLED") != [running] or any(
        "dvdgan.training" in (each.info["cmdline"] or ()) for each in inside(local.tree)
    ):
        assert time.monotonic() < deadline, "the trainer outlived the flow run"
        time.sleep(0.2)


def test_a_run_gives_what_dvc_repro_gives_even_after_one_that_was_cancelled(
    local: Local, finished: Path
) -> None:
    """Two work trees with nothing in common but the videos; ``finished`` was stopped elsewhere.

    That a cancelled run takes its stage along, and that the trainer saves before:
    tests/flows/test_process_group.py and test_train_flow.py.
    """
    if local.cancelled:
        cancel_in_the_middle_of_train(local)
        assert steps(local.tree) == 13
        assert list(local.tree.glob(".runs/train/*/checkpoints/step-00000013/manifest.json"))

    done = prefect(local, "deployment", "run", "pipeline/pipeline", "--watch")
    assert done.returncode == 0, done.stdout + done.stderr + local.log.read_text()[-4000:]

    assert (local.tree / "dvc.lock").read_bytes() == (finished / "dvc.lock").read_bytes()
    for pattern in ("artifacts/shards/*", "artifacts/reference/*/*"):
        theirs = sorted(finished.glob(pattern))
        assert theirs
        for path in theirs:
            same = local.tree / path.relative_to(finished)
            assert same.read_bytes() == path.read_bytes(), path

    shown = {each["key"]: each["data"] for each in local.post("artifacts/filter", {})}
    [address] = re.findall(r"\((http://127\.0\.0\.1:.*)\)", shown["report"])
    with urllib.request.urlopen(address, timeout=30) as page:
        assert page.read() == (local.tree / "artifacts/report/index.html").read_bytes()

    stages = run_fork(local.tree, "dvc", "stage", "list", "--name-only").stdout.split()
    tasks = [task["name"] for task in local.post("task_runs/filter", {"limit": 200})]
    assert {name for name in tasks if name in stages} == set(stages)
    # `dvdgan train`, run by DVC inside its task, shows its own steps too.
    assert "evaluate step 12" in tasks and "evaluate step 24" in tasks
    assert any(name.startswith("launch") for name in tasks)
    logs = list(lines(local))
    resumed = any("resumed from step-00000013" in line for line in logs)
    assert resumed is local.cancelled
    assert any("best checkpoint at step" in line for line in logs), "stage output is not streamed"
