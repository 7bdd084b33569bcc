"""index and shard under signals: exit 75, no process left, no traceback, the rest next time."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from warm_commands import WarmCommands

from dvdgan.storage.local import sha256_of_file

REPOSITORY = Path(__file__).resolve().parents[2]
COPIES = 7  # of twelve videos: more than shard has samples waiting
KILLED, INTERRUPTED = -signal.SIGKILL, 75


def make_project(folder: Path, videos: Path) -> Path:
    """A folder with params.yaml, and enough videos that a run can be met in the middle."""
    yaml = YAML()
    params = yaml.load(REPOSITORY / "presets" / "demo.yaml")
    params["index"]["root"] = "videos"
    params["shard"]["videos_per_shard"] = 4
    folder.mkdir()
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
    for video in videos.rglob("*.mp4"):
        (folder / "videos" / video.parent.name).mkdir(parents=True, exist_ok=True)
        for number in range(COPIES):
            name = f"{video.stem}-{number}.mp4"
            shutil.copy(video, folder / "videos" / video.parent.name / name)
    return folder


def start(verb: str, folder: Path) -> "subprocess.Popen[str]":
    """`python -m dvdgan VERB` with two workers, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "dvdgan", verb, "--workers", "2"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(verb: str, folder: Path, warm: WarmCommands) -> None:
    warm.run(folder, "dvdgan", verb, "--workers", "2")


def members(session: int) -> list[int]:
    """The living processes of a session, from Linux's process table."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            if int(status[3]) == session and status[0] not in "ZX":
                found.append(int(entry.name))
    return found


def wait_until(reached: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def interrupt(process: "subprocess.Popen[str]", how: signal.Signals, code: int) -> None:
    """Signal a run as a terminal (SIGINT, to all) or a scheduler (to it alone) would."""
    assert process.poll() is None
    if how is signal.SIGINT:
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in errors
    assert ("interrupted" in errors) == (code == INTERRUPTED)
    wait_until(lambda: not members(process.pid), seconds=5)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256_of_file(path) for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def undisturbed(
    synthetic_videos: Path, warm: WarmCommands, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    project = make_project(tmp_path_factory.mktemp("undisturbed") / "project", synthetic_videos)
    finish("index", project, warm)
    finish("shard", project, warm)
    return project


def kept_lines(project: Path) -> int:
    return sum(file.read_bytes().count(b"\n") for file in project.glob(".runs/index/*/*.jsonl"))


@pytest.mark.parametrize(
    ("how", "code"),
    [
        pytest.param(signal.SIGINT, INTERRUPTED, marks=pytest.mark.long),
        pytest.param(signal.SIGTERM, INTERRUPTED, marks=pytest.mark.long),
        (signal.SIGKILL, KILLED),
    ],
)
def test_index_goes_on(
    how: signal.Signals,
    code: int,
    tmp_path: Path,
    synthetic_videos: Path,
    undisturbed: Path,
    warm: WarmCommands,
) -> None:
    project = make_project(tmp_path / "project", synthetic_videos)
    process = start("index", project)
    wait_until(lambda: kept_lines(project) > 5)
    interrupt(process, how, code)
    assert not (project / "artifacts/index").exists()
    before = kept_lines(project)
    assert before < 12 * COPIES
    finish("index", project, warm)
    assert kept_lines(project) <= 12 * COPIES + 1  # what stood there was not probed again
    assert digests(project / "artifacts/index") == digests(undisturbed / "artifacts/index")


@pytest.mark.parametrize("pause", [0.0, 0.3])
def test_ctrl_c_while_the_workers_start(
    pause: float, tmp_path: Path, synthetic_videos: Path
) -> None:
    project = make_project(tmp_path / "project", synthetic_videos)
    process = start("index", project)
    wait_until(lambda: len(members(process.pid)) >= 4)  # with the tracker of resources
    time.sleep(pause)  # first there is no interpreter yet, then it imports
    interrupt(process, signal.SIGINT, INTERRUPTED)


def test_shard_goes_on(tmp_path: Path, undisturbed: Path, warm: WarmCommands) -> None:
    project = tmp_path / "project"
    shutil.copytree(undisturbed, project)
    shutil.rmtree(project / "artifacts/shards")
    process = start("shard", project)
    wait_until(lambda: len(list(project.glob(".runs/shard/*/done/*.json"))) >= 2)
    interrupt(process, signal.SIGINT, INTERRUPTED)
    assert not (project / "artifacts/shards").exists()
    kept = {tar.name: tar.stat().st_mtime_ns for tar in project.glob(".runs/shard/*/shards/*.tar")}
    assert 2 <= len(kept) < 12 * COPIES / 4
    finish("shard", project, warm)
    shards = project / "artifacts/shards"
    assert digests(shards) == digests(undisturbed / "artifacts/shards")
    assert sum((shards / name).stat().st_mtime_ns == kept[name] for name in kept) >= 2
    assert not list(shards.glob(".*"))
