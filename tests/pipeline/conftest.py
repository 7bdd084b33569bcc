"""Work trees of the real pipeline, built once and copied."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import at_once
import pytest
from held_trainer import start_until_held, steps, wait_until_quiet
from local_prefect import Local, running
from work_tree import PARTS, PROJECT, TINY, edit, run


@pytest.fixture(scope="session", autouse=True)
def _at_once() -> Iterator[None]:
    yield
    at_once.end()


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
def stopped(untrained: Path, copied: Callable[[Path, str], Path]) -> Path:
    """A work tree in which `dvc repro` was stopped in the middle of train.

    By kill -9 of dvc alone after the first scheduled checkpoint, of step 12, which is then
    evaluated. Other stops: test_stop_and_resume.py.
    """
    folder = copied(untrained, "finished")
    process = start_until_held(folder, 14, "dvc", "repro", "--single-item", "train")
    process.kill()
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0, output
    wait_until_quiet(folder)
    saved = sorted(path.name for path in folder.glob(".runs/train/*/checkpoints/step-*"))
    assert saved and saved[-1] == "step-00000014", output
    assert steps(folder) == 14
    return folder


@pytest.fixture(scope="session")
def finished(stopped: Path) -> Path:
    """The same, after the same command has ended."""
    done = run(stopped, "dvc", "repro")
    assert done.returncode == 0, done.stdout
    assert "resumed from step-00000014" in done.stdout
    return stopped


def lend_cache(tree: Path, other: Path) -> None:
    """Give ``other`` DVC's cache of ``tree``, which then knows every run but that of train."""
    shutil.copytree(tree / ".dvc/cache/files", other / ".dvc/cache/files", dirs_exist_ok=True)
    made = {path: path.read_text() for path in (tree / ".dvc/cache/runs").glob("*/*/*")}
    lent = [path for path, text in made.items() if "exec dvdgan train" not in text]
    assert len(lent) < len(made)
    for path in lent:
        there = other / path.relative_to(tree)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, there)


@pytest.fixture(
    scope="module",
    params=[
        "untrained",
        pytest.param("untrained cancelled", marks=pytest.mark.long),
        pytest.param("fresh cancelled", marks=pytest.mark.long),
    ],
)
def local(
    request: pytest.FixtureRequest, finished: Path, copied: Callable[[Path, str], Path]
) -> Iterator[Local]:
    """A local Prefect in a work tree in which nothing is done yet, or nothing from train on.

    In the latter what follows train is in DVC's cache, from where it comes if train makes the same.
    It comes after ``finished``, since a server takes a share of a core while it runs.
    """
    name, _, cancelled = request.param.partition(" ")
    tree = copied(request.getfixturevalue(name), "prefect")
    if name == "untrained":
        lend_cache(finished, tree)
    with running(tree, bool(cancelled)) as local:
        yield local
