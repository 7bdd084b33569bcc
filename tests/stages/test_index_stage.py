"""`dvdgan index` as a stage of DVC: it runs each time, survives any folder, and costs little."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from dvdgan.config.load import load_config
from dvdgan.data import inspection
from dvdgan.stages import index
from dvdgan.storage.local import read_json

REPOSITORY = Path(__file__).resolve().parents[2]


def make_repository(folder: Path, videos: Path) -> Path:
    """A DVC repository with our index stage and one that depends on it; videos lie in ./videos."""
    yaml = YAML()
    pipeline = yaml.load(REPOSITORY / "dvc.yaml")
    stages: dict[str, Any] = {"index": pipeline["stages"]["index"]}
    stages["after"] = {"cmd": "echo again >> ran", "deps": ["artifacts/index"]}
    params = yaml.load(REPOSITORY / "presets" / "demo.yaml")
    params["index"] |= {"root": "videos", "max_refused": 0.9}
    for name, content in (("dvc.yaml", {"stages": stages}), ("params.yaml", params)):
        with (folder / name).open("w", encoding="utf-8") as file:
            yaml.dump(content, file)
    code = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "dvdgan", folder / "dvdgan", ignore=code)  # deps of the stage
    shutil.copytree(videos, folder / "videos")
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text(
        "[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"
    )
    return folder


def add_awkward_entries(root: Path) -> None:
    """All that DVC cannot hash: pipe, socket, foreign bytes, links to nowhere and to themselves."""
    folder = root / "circle_right"
    os.mkfifo(folder / "pipe.mp4")
    # A short relative name: the path of a socket may have only 107 bytes.
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(folder)
        listener.bind("sock.mp4")
        os.chdir(here)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.mp4")).write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(root) + b"/\xfe")).mkdir()
    (folder / "dangling.mp4").symlink_to("nowhere.mp4")
    (folder / "loop.mp4").symlink_to("loop.mp4")
    (folder / "up").symlink_to("..")
    (root / "loop").symlink_to("loop")


def repro(repository: Path) -> str:
    """What `dvc repro` printed; stages find `dvdgan` beside this Python."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=repository,
        env=os.environ | {"PATH": tools, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def runs_after(repository: Path) -> int:
    return (repository / "ran").read_text().count("again")


def test_a_folder_of_traps_passes_through_dvc(tmp_path: Path, synthetic_videos: Path) -> None:
    repository = make_repository(tmp_path, synthetic_videos)
    add_awkward_entries(repository / "videos")
    assert "12 videos in 4 classes (8 train, 4 test), 8 refused" in repro(repository)
    lock = (repository / "dvc.lock").read_bytes()
    assert runs_after(repository) == 1

    again = repro(repository)
    assert "Running stage 'index'" in again
    assert "index: nothing new below videos: 12 videos in 4 classes" in again
    assert (repository / "dvc.lock").read_bytes() == lock
    assert runs_after(repository) == 1

    (repository / "videos/circle_right/000.mp4").unlink()
    assert "11 videos" in repro(repository)
    assert (repository / "dvc.lock").read_bytes() != lock
    assert runs_after(repository) == 2


@pytest.mark.long
def test_hostile_files_pass_through_dvc(
    tmp_path: Path, synthetic_videos: Path, hostile_files: Path
) -> None:
    repository = make_repository(tmp_path, synthetic_videos)
    add_awkward_entries(repository / "videos")
    shutil.copytree(hostile_files, repository / "videos/hostile", symlinks=True)
    repro(repository)
    lock = (repository / "dvc.lock").read_bytes()
    summary = read_json(repository / "artifacts/index/summary.json")
    assert summary["classes"]["hostile"]["train"] > 30
    assert summary["refused"]["unreadable"] == 6

    assert "Running stage 'index'" in repro(repository)
    assert (repository / "dvc.lock").read_bytes() == lock
    assert runs_after(repository) == 1


def test_other_limits_have_outcomes_of_their_own(
    tmp_path: Path,
    synthetic_videos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(REPOSITORY / "presets" / "demo.yaml")
    params = config.index.model_copy(update={"root": str(synthetic_videos)})
    config = config.model_copy(update={"index": params})
    longer = config.model_copy(update={"clip": config.clip.model_copy(update={"frames": 10})})
    index.run(config, workers=2)
    index.run(longer, workers=2)
    assert capsys.readouterr().out.count("12 videos probed") == 2

    monkeypatch.delattr(inspection, "run_isolated")
    index.run(config, workers=2)
    index.run(longer, workers=2)
    line = f"index: nothing new below {synthetic_videos}: 12 videos in 4 classes (8 train, 4 test)"
    assert capsys.readouterr().out.count(line) == 2
