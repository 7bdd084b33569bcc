"""reference and evaluate by the processes of DVDGAN_LAUNCHER: equal bytes, errors, kills."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tiny_pipeline import PROJECT, run_stages, tiny
from warm_commands import WarmCommands

from dvdgan.config import load_config
from dvdgan.errors import EXIT_INTERRUPTED, EXIT_USER_ERROR, UserError
from dvdgan.evaluation.extraction import SHARE
from dvdgan.stages import evaluate, export, reference
from dvdgan.stages.artefacts import EVALUATE, FEATURE_CACHE, REFERENCE, SHARDS

FORKED = f"{sys.executable} {Path(__file__).with_name('forked_ranks.py')}"
TORCHRUN = f"{sys.executable} -m torch.distributed.run --standalone --nproc-per-node"
ACCELERATE = (
    f"{sys.executable} -m accelerate.commands.launch --multi_gpu --main_process_port 0 "
    "--num_processes"
)


STAGES = {"evaluate": evaluate, "reference": reference}
FOLDERS = {"evaluate": EVALUATE, "reference": REFERENCE}


@pytest.fixture(scope="module")
def alone(synthetic_videos: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process writes; not to be changed."""
    folder = copy_of(trained, tmp_path_factory.mktemp("alone") / "folder")
    run_stages(tiny(synthetic_videos), folder, (reference, export, evaluate))
    return folder


def copy_of(folder: Path, copy: Path) -> Path:
    subprocess.run(["cp", "-r", str(folder), str(copy)], check=True)
    return copy


def variables(launcher: str) -> dict[str, str]:
    return {"DVDGAN_LAUNCHER": launcher, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}


def begin(folder: Path, stage: str, launcher: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "dvdgan", stage],
        cwd=folder,
        env=os.environ | variables(launcher),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, stage: str, launcher: str) -> None:
    """`dvdgan STAGE`; the command itself is this process, which spares its imports."""
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        for name, value in variables(launcher).items():
            patch.setenv(name, value)
        STAGES[stage].run(load_config(Path("params.yaml")), [stage])


def written(folder: Path) -> dict[str, bytes]:
    """What `reference` and `evaluate` write, without videos: by path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for root in (REFERENCE, EVALUATE)
        for path in sorted((folder / root).rglob("*"))
        if path.suffix in (".json", ".safetensors")
    }


def shares(folder: Path) -> list[psutil.Process]:
    """The processes in ``folder`` that were launched."""
    found = []
    for process in psutil.process_iter(["cwd", "environ"]):
        here = process.info["cwd"] == str(folder)
        if here and SHARE in (process.info["environ"] or {}):
            found.append(process)
    return found


def test_two_forks_write_the_bytes_of_one(alone: Path, warm: WarmCommands, tmp_path: Path) -> None:
    """The command and its launcher are forks, too: importing takes longer than what they do."""
    folder = copy_of(alone, tmp_path / "folder")
    shutil.rmtree(folder / EVALUATE)
    done = warm.run(folder, "dvdgan", "evaluate", **variables(f"{FORKED} 2 -m"))
    check_written(folder, alone, "evaluate", done.out.read_text(), done.err.read_text())


@pytest.mark.long
@pytest.mark.parametrize(
    ("stage", "launcher", "count"),
    [
        ("evaluate", TORCHRUN, 1),
        ("evaluate", TORCHRUN, 3),
        ("reference", TORCHRUN, 2),
        ("reference", FORKED, 3),
        ("evaluate", ACCELERATE, 2),
    ],
)
def test_launched_processes_write_the_bytes_of_one(
    stage: str,
    launcher: str,
    count: int,
    alone: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = copy_of(alone, tmp_path / "folder")
    shutil.rmtree(folder / FOLDERS[stage])
    run(folder, stage, f"{launcher} {count} -m")
    check_written(folder, alone, stage, *capfd.readouterr())


def check_written(folder: Path, alone: Path, stage: str, out: str, err: str) -> None:
    """The bytes of one process were written by launched ones, who said so, and left no cache."""
    assert written(folder) == written(alone)
    assert f"{stage}, by DVDGAN_LAUNCHER: " in err
    assert sum(line.startswith(f"{stage}: ") for line in out.splitlines()) == 1
    assert list((folder / FEATURE_CACHE).iterdir()) == []


def test_a_launcher_that_fails_ends_the_command_with_its_reason(
    alone: Path, tmp_path: Path
) -> None:
    folder = copy_of(alone, tmp_path / "folder")
    before = written(folder)
    said = "echo 'error: no room'; echo '  where: /scratch'; echo 'error: another'; exit 3"
    launcher = tmp_path / "launcher.sh"
    launcher.write_text(f"{said}\n")
    with pytest.raises(UserError) as raised:
        run(folder, "reference", f"bash {launcher}")
    assert raised.value.what.endswith("have failed (exit code 3): no room (/scratch)")
    log = folder / raised.value.where
    assert log.read_text() == "error: no room\n  where: /scratch\nerror: another\n"
    assert written(folder) == before


@pytest.mark.long
def test_the_error_of_a_process_ends_all_and_is_in_the_message(alone: Path, tmp_path: Path) -> None:
    folder = copy_of(alone, tmp_path / "folder")
    before = written(folder)
    tar = sorted((folder / SHARDS).glob("*.tar"))[0]
    tar.write_bytes(tar.read_bytes()[:1000])
    with pytest.raises(UserError) as raised:
        run(folder, "reference", f"{FORKED} 2 -m")
    assert raised.value.what.startswith("the processes of DVDGAN_LAUNCHER have failed (exit code 2")
    assert tar.name in raised.value.what and raised.value.where.endswith("launcher.log")
    assert written(folder) == before and not shares(folder)


@pytest.mark.long
def test_a_stopped_command_leaves_no_process(alone: Path, tmp_path: Path) -> None:
    folder = copy_of(alone, tmp_path / "folder")
    before = written(folder)
    process = begin(folder, "evaluate", f"{TORCHRUN} 2 -m")
    await_share(folder, "0")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == EXIT_INTERRUPTED, err
    assert "Traceback" not in err
    assert not shares(folder) and written(folder) == before


@pytest.mark.long
def test_a_killed_process_ends_all_and_the_same_command_resumes(
    alone: Path, tmp_path: Path
) -> None:
    folder = copy_of(alone, tmp_path / "folder")
    before = written(folder)
    process = begin(folder, "evaluate", f"{TORCHRUN} 2 -m")
    await_share(folder, "1").kill()
    _, err = process.communicate(timeout=120)
    assert process.returncode == EXIT_USER_ERROR, err
    assert "the processes of DVDGAN_LAUNCHER have failed (exit code 1)" in err
    assert not shares(folder) and written(folder) == before
    run(folder, "evaluate", f"{TORCHRUN} 2 -m")
    assert written(folder) == before


def await_share(folder: Path, rank: str) -> psutil.Process:
    """The launched process of ``rank``, which has begun to import."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for process in shares(folder):
            if process.info["environ"].get("RANK") == rank:
                return process
        time.sleep(0.05)
    raise AssertionError("no process was launched")
