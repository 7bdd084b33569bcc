"""Work trees of the real pipeline, built once and copied."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from local_prefect import Local, running
from work_tree import PARTS, PROJECT, TINY, edit, run


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


@pytest.fixture(scope="session")
def local(fresh: Path, copied: Callable[[Path, str], Path]) -> Iterator[Local]:
    """A local Prefect in a work tree in which nothing is done yet."""
    with running(copied(fresh, "prefect")) as local:
        yield local
