"""A repository whose raw data are versioned, and commands that are run in it.

`dvc` and `dvdgan`, DVC's stages included, are forks of a process that has imported them
(at_once.py): what DVC finds changed is the point here. tests/pipeline runs stages as users do.
"""

import os
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

from at_once import tools
from dvc.repo import Repo
from ruamel.yaml import YAML

REPOSITORY = Path(__file__).resolve().parents[2]

yaml = YAML()


def make_repository(folder: Path, videos: Path) -> Path:
    """A DVC repository with our stages index and shard; videos lie in ./videos."""
    pipeline = yaml.load(REPOSITORY / "dvc.yaml")
    stages = {name: pipeline["stages"][name] for name in ("index", "shard")}
    params = yaml.load(REPOSITORY / "presets" / "demo.yaml")
    params["index"] |= {"root": "videos", "max_refused": 0.9}
    for name, content in (("dvc.yaml", {"stages": stages}), ("params.yaml", params)):
        with (folder / name).open("w", encoding="utf-8") as file:
            yaml.dump(content, file)
    (folder / "dvdgan").mkdir()
    shutil.copy(REPOSITORY / "dvdgan/numerics.json", folder / "dvdgan")
    shutil.copytree(videos, folder / "videos")
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text(
        "[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"
    )
    return folder


def copy_of(repository: Path, folder: Path) -> Path:
    """A copy with the same times of change, by which videos and outcomes are recognised."""
    return Path(shutil.copytree(repository, folder))


def set_root(repository: Path, root: str) -> None:
    params = yaml.load(repository / "params.yaml")
    params["index"]["root"] = root
    yaml.dump(params, repository / "params.yaml")


def run(repository: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command there."""
    path = os.pathsep.join((tools(), str(Path(sys.executable).parent), os.environ["PATH"]))
    return subprocess.run(
        command,
        cwd=repository,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def dvc(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(repository, [f"{tools()}/dvc", *arguments])


def dvdgan(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(repository, [f"{tools()}/dvdgan", *arguments])


def repro(repository: Path, *stages: str) -> str:
    """What `dvc repro` printed."""
    result = dvc(repository, "repro", *stages)
    assert result.returncode == 0, result.stdout
    return result.stdout


def stages_run(output: str) -> list[str]:
    """The stages that `dvc repro` ran, by its output."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


def changed(repository: Path) -> set[str]:
    """The paths that `dvc status` finds changed, asked of DVC in this process: a second less."""
    with chdir(repository), Repo() as repo:
        found = repo.status()
    reasons = [reason for of_stage in found.values() for reason in of_stage]
    assert all(isinstance(reason, dict) for reason in reasons), found
    return {path for reason in reasons for paths in reason.values() for path in paths}


def list_videos(repository: Path, *arguments: str) -> str:
    """What `dvdgan listing` prints; videos.listing becomes index.root."""
    set_root(repository, "videos.listing")
    return dvdgan(repository, "listing", "videos.listing", *arguments).stdout
