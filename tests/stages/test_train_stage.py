"""`dvdgan train` on a tiny experiment: stopped, lost with its machine, collapsed.

Where it is not about the moment in which processes start, they are warm (tests/warm_process.py).
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lax_guard import LAX
from safetensors.torch import load_file, save_file
from tiny_pipeline import tiny
from warm_commands import WarmCommands, WarmProcess

from dvdgan.config import load_config
from dvdgan.errors import EXIT_INTERRUPTED
from dvdgan.guard import ledger
from dvdgan.guard.backup_index import BackupIndex
from dvdgan.guard.run_folder import MANIFEST, RunFolder, verify_checkpoint, write_manifest
from dvdgan.stages.artefacts import TRAIN
from dvdgan.stages.train import prepare
from dvdgan.storage.folder import FolderStore
from dvdgan.storage.local import sha256_of_tree, write_json

PROJECT = Path(__file__).resolve().parents[2]
STEPS, EVERY = 8, 4
Tree = Callable[[str], Path]


def short(videos: Path) -> dict[str, Any]:
    """The tiny params with more steps. The guard finds no finite FVD too high."""
    params = tiny(videos)
    params["train"] |= {
        "steps": STEPS,
        "ema_start": 2,
        "checkpoint_every": EVERY,
        "preview_every": EVERY,
    }
    params["train"]["guard"] |= {"evaluate_every": EVERY, "warm_up": 1.0, "max_rollbacks": 1}
    return params


@pytest.fixture(scope="module")
def artefacts(trained_copy: Callable[[str], Path], synthetic_videos: Path) -> Path:
    """A folder in which every stage before train has run."""
    folder = trained_copy("artefacts")
    shutil.rmtree(folder / TRAIN)
    shutil.rmtree(folder / ".runs")
    write_json(folder / "params.yaml", short(synthetic_videos))  # JSON is YAML
    return folder


@pytest.fixture
def tree(artefacts: Path, tmp_path: Path) -> Tree:
    def make(name: str) -> Path:
        return Path(shutil.copytree(artefacts, tmp_path / name))

    return make


@pytest.fixture(scope="module")
def unbroken(artefacts: Path, warm: WarmCommands, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `dvdgan train` has run to its end; not to be changed."""
    folder = tmp_path_factory.mktemp("unbroken") / "tree"
    shutil.copytree(artefacts, folder)
    warm.run(folder, "dvdgan", "train")
    return folder


def run_folder(folder: Path) -> RunFolder:
    with contextlib.chdir(folder):
        return RunFolder(folder / prepare(load_config(Path("params.yaml"))).root)


def finished(run: RunFolder) -> int:
    """Steps in the metrics."""
    return run.metrics.read_bytes().count(b"\n") if run.metrics.exists() else 0


def processes_in(folder: Path) -> list[int]:
    """Processes whose working folder is ``folder``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == folder:
                found.append(int(process.name))
    return found


def holding(step: int) -> dict[str, str]:
    """Variables with which the trainer waits after ``step`` until it is stopped."""
    script = PROJECT / "tests/training/holding_trainer.py"
    return {"DVDGAN_LAUNCHER": f"{sys.executable} {script}", "HOLD_AT": str(step)}


def stop_when(reached: Callable[[], bool], process: WarmProcess, number: signal.Signals) -> int:
    """Send ``process`` a signal when it has come so far; its exit code."""
    deadline = time.monotonic() + 240
    try:
        while not reached():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        return process.wait(120)
    finally:
        process.kill()
        process.wait(60)


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="looks for processes in /proc")
def test_terminated_then_lost_with_its_machine_a_run_ends_as_if_nothing_had_been(
    unbroken: Path, tree: Tree, warm: WarmCommands, tmp_path: Path
) -> None:
    """After SIGTERM the same command goes on, after the loss a new machine does from the backup."""
    broken = tree("broken")
    run = run_folder(broken)
    process = warm.start(broken, "dvdgan", "train", **holding(3))
    code = stop_when(lambda: finished(run) == 3, process, signal.SIGTERM)
    assert code == EXIT_INTERRUPTED
    assert processes_in(broken) == []
    assert not (broken / TRAIN).exists()
    assert run.saved_steps() == [3]

    backup = {"DVDGAN_BACKUP": str(tmp_path / "store")}
    copied = FolderStore(tmp_path / "store" / run.root.name)
    process = warm.start(broken, "dvdgan", "train", **backup, **holding(EVERY + 2))
    stop_when(lambda: EVERY in BackupIndex.read(copied).checkpoints, process, signal.SIGKILL)
    while processes_in(broken):  # the trainer got the signal, and saves once more
        time.sleep(0.05)
    shutil.rmtree(broken / ".runs")
    assert "resumed from step-00000003" in process.out.read_text()
    restored = warm.run(broken, "dvdgan", "train", **backup)
    assert "backup: restored step" in restored.err.read_text()

    names = sorted(path.relative_to(unbroken / TRAIN) for path in (unbroken / TRAIN).rglob("*"))
    assert Path("checkpoint/average.safetensors") in names
    assert Path("ledger.jsonl") in names
    assert sha256_of_tree(broken / TRAIN, "*.*") == sha256_of_tree(unbroken / TRAIN, "*.*")
    assert BackupIndex.read(copied).ledger == run.ledger.read_bytes()
    assert sorted(BackupIndex.read(copied).checkpoints) == run.saved_steps()
    assert processes_in(unbroken) == processes_in(broken) == []


def evaluations_in(folder: Path) -> list[int]:
    """The processes that evaluate a checkpoint of ``folder``."""
    found = []
    for pid in processes_in(folder):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[1:4] == [b"-m", b"dvdgan", b"evaluate"]:
                found.append(pid)
    return found


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="looks for processes in /proc")
def test_ctrl_c_during_an_evaluation_says_that_alone(tree: Tree) -> None:
    """A terminal sends SIGINT to the whole process group, here while the evaluation starts."""
    folder = tree("interrupted")
    process = subprocess.Popen(
        [sys.executable, "-m", "dvdgan", "train"],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | holding(EVERY + 1),
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 240
        while not evaluations_in(folder):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.2)  # its Python runs, and has no signal handler of ours yet
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == EXIT_INTERRUPTED
    assert errors.endswith("interrupted: SIGINT received; the same command resumes\n")
    assert "Traceback" not in errors
    assert "evaluation" not in errors  # no retry is announced that nobody will make
    assert processes_in(folder) == []


def test_a_collapse_is_rolled_back_and_the_run_still_ends_well(
    unbroken: Path, warm: WarmCommands, tmp_path: Path
) -> None:
    """The last checkpoint's weights are made not finite before anybody has judged it."""
    folder = Path(shutil.copytree(unbroken, tmp_path / "collapsing"))
    shutil.rmtree(folder / TRAIN)
    run = run_folder(folder)
    run.evaluation(STEPS).unlink()
    before = run.ledger.read_text().splitlines(keepends=True)
    run.ledger.write_text("".join(line for line in before if f'"step": {STEPS}' not in line))
    average = run.checkpoint(STEPS) / "average.safetensors"
    weights = load_file(average)
    weights["output.bias"][:] = float("nan")
    save_file(weights, average)
    (run.checkpoint(STEPS) / MANIFEST).unlink()
    write_manifest(run.checkpoint(STEPS))

    warm.run(folder, "dvdgan", "train")
    events = ledger.read(folder / TRAIN / "ledger.jsonl")
    found = [(event["event"], event.get("verdict"), event.get("step")) for event in events]
    assert found[:4] == [
        ("baseline", None, None),
        ("evaluated", "healthy", EVERY),
        ("evaluated", "collapsed", STEPS),
        ("rolled_back", None, None),
    ]
    # So small a D may cease to learn, which makes a run suspect.
    assert found[4:] in ([("evaluated", state, STEPS)] for state in ("healthy", "suspect"))
    back = events[3]
    assert (back["to_step"], back["restart_index"], back["learning_rate_scale"]) == (EVERY, 1, 0.5)
    assert (run.collapsed / "0" / f"step-{STEPS:08d}").is_dir()
    assert verify_checkpoint(folder / TRAIN / "checkpoint") is None
    assert all(
        tensor.isfinite().all()
        for tensor in load_file(folder / TRAIN / "checkpoint" / "average.safetensors").values()
    )
    assert (folder / TRAIN / "metrics.jsonl").read_bytes().count(b"\n") == STEPS


@pytest.mark.long
def test_a_run_that_never_learned_exports_nothing_and_says_what_to_change(
    tree: Tree,
) -> None:
    """The weights of G do not move; tests/guard/test_diagnosis.py has the other causes."""
    folder = tree("hopeless")
    params = load_config(folder / "params.yaml").model_dump()
    params["train"]["generator_learning_rate"] = 1e-9
    params["train"]["guard"] |= {"thresholds": LAX | {"baseline_factor": 1.0}, "max_rollbacks": 0}
    write_json(folder / "params.yaml", params)
    process = subprocess.run(
        [sys.executable, "-m", "dvdgan", "train"],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 2, process.stderr
    assert "error: the run never learned" in process.stderr
    assert "raise train.generator_learning_rate (1e-09)" in process.stderr
    assert "Traceback" not in process.stderr
    assert not (folder / TRAIN).exists()
    events = ledger.read(run_folder(folder).ledger)
    assert events[0]["event"] == "baseline"
    assert events[-1]["event"] == "never_learned"
    assert not any(event.get("verdict") == "healthy" for event in events)


def test_a_missing_artefact_is_named(tree: Tree, warm: WarmCommands) -> None:
    folder = tree("incomplete")
    shutil.rmtree(folder / "artifacts" / "reference")
    process = warm.start(folder, "dvdgan", "train")
    assert process.wait(60) == 2
    errors = process.err.read_text()
    assert "artifacts/reference/self_trained/reference.json is missing" in errors
    assert "Traceback" not in errors
