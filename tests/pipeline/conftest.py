"""Work trees of the real pipeline on a tiny experiment, built once and copied."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PARTS = ("dvdgan", "flows", "infra", ".dvc/config", ".dvcignore", "dvc.yaml", "prefect.yaml")

# The demo's params with every size cut down: seconds instead of minutes, the same code.
TINY = {
    "frames": 4,
    "test_fraction": 0.34,
    "videos_per_shard": 8,
    "width": 4,
    "steps": 24,
    "batch_size": 4,
    "clips_per_video": 3,
    "generator_channels": 2,
    "discriminator_channels": 2,
    "spatial_frames": 2,
    "checkpoint_every": 12,
    "preview_every": 12,
    "samples": 32,
    "standing_batches": 2,
    "standing_batch_size": 8,
    "components": 4,
    "samples_per_class": 2,
}


def environment() -> dict[str, str]:
    """The tests' own environment, with this Python's tools first and no Prefect configured."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT")}
    tools = str(Path(sys.executable).parent)
    return clean | {"PATH": f"{tools}{os.pathsep}{clean['PATH']}", "OMP_NUM_THREADS": "1"}


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in ``folder`` and return what it printed, both streams together."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


def edit(folder: Path, key: str, value: object) -> None:
    """Give every line `key: ...` of params.yaml a new value."""
    path = folder / "params.yaml"
    text = path.read_text()
    changed = re.sub(rf"(?m)^( *{key}:) .*$", rf"\g<1> {value}", text)
    assert changed != text, f"{key} is not in params.yaml, or has this value already"
    path.write_text(changed)


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone's worth of files, tiny params and a tiny data set with a name in several scripts."""
    folder = tmp_path_factory.mktemp("fresh")
    for part in PARTS:
        source = PROJECT / part
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            skipped = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / part, ignore=skipped)
        else:
            shutil.copy(source, folder / part)
    shutil.copy(PROJECT / "presets" / "demo.yaml", folder / "params.yaml")
    for key, value in TINY.items():
        edit(folder, key, value)
    made = run(folder, "dvdgan", "synthetic", "data/synthetic", "--videos-per-class", "6")
    assert made.returncode == 0, made.stdout
    a_class = sorted((folder / "data/synthetic").iterdir())[0]
    a_class.rename(a_class.with_name("клас 日本 é"))
    assert run(folder, "git", "init", "-q").returncode == 0
    return folder


@pytest.fixture(scope="session")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, str], Path]:
    """Copy a work tree, DVC's cache included, under a new name."""

    def copy(source: Path, name: str) -> Path:
        target = tmp_path_factory.mktemp(name) / "tree"
        shutil.copytree(source, target, symlinks=True)
        return target

    return copy


@pytest.fixture(scope="session")
def untrained(fresh: Path, copied: Callable[[Path, str], Path]) -> Path:
    """A work tree in which `dvc repro` has done everything before train."""
    folder = copied(fresh, "untrained")
    done = run(folder, "dvc", "repro", "reference")
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture(scope="session")
def finished(untrained: Path, copied: Callable[[Path, str], Path]) -> Path:
    """A work tree in which `dvc repro` has done everything."""
    folder = copied(untrained, "finished")
    done = run(folder, "dvc", "repro")
    assert done.returncode == 0, done.stdout
    return folder
