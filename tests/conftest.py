"""Fixtures that more than one folder of tests uses."""

import gc
import os
import signal
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from dvdgan.data.synthetic import write_synthetic
from dvdgan.guard.interruption import SIGNALS

SHARED_DATA = Path(__file__).resolve().parents[1] / "../shared/data"
# Their tests mostly wait. One worker runs them all, so that two others have two cores; flows comes
# last, whose Prefect server takes a share of a core from then on.
WAITING = ("tests/storage", "tests/training", "tests/guard", "tests/flows")
# Folders whose files share fixtures that take long to make.
TOGETHER = ("tests/pipeline", "tests/stages", "tests/raw_data")
# The folders with which workers begin.
FIRST = [Path(folder).name for folder in (*WAITING, *TOGETHER, "tests/data")]


@pytest.fixture(scope="session")
def synthetic_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four classes with three 64 x 64 videos of 32 frames each."""
    root = tmp_path_factory.mktemp("synthetic") / "videos"
    write_synthetic(root, videos_per_class=3)
    return root


@pytest.fixture(scope="session")
def hostile_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The awkward and damaged files of hostile.tar, unpacked into one folder."""
    archive = SHARED_DATA / "hostile.tar"
    if not archive.is_file():
        pytest.skip(f"{archive} is not here")
    folder = tmp_path_factory.mktemp("hostile")
    with tarfile.open(archive) as tar:
        # Links that dangle or loop are part of the test, hence no filter.
        tar.extractall(folder, filter="fully_trusted")
    return folder / "hostile"


@pytest.fixture
def small_disk() -> Iterator[Callable[[Path], None]]:
    """Mount a file system of 64 MB on a folder, until the end of the test."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    folders: list[Path] = []

    def mount(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        words = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        folders.append(folder)

    yield mount
    for folder in folders:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """A test that calls the command line in this process leaves no signal handler of it behind."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class BySharedFixtures(LoadScopeScheduling):
    """A file's tests stay in one worker, all tests of a folder of TOGETHER, and those of WAITING.

    Not by the mark `xdist_group`: xdist 3.8 writes the group where pytest 9.2 no longer reads it.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = file.rpartition("/")[0]
        if folder.endswith(WAITING):
            return "waiting"
        return folder if folder.endswith(TOGETHER) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> BySharedFixtures:
    """Replaces the scheduler of `--dist`; files start in the order they are collected."""
    config.option.loadscopereorder = False
    return BySharedFixtures(config, log)


def pytest_collection(session: pytest.Session) -> None:
    """Imports make a million objects that stay; the garbage collector took a third of the time."""
    gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """So that no worker is left alone with what takes minutes at the end."""
    items.sort(key=lambda item: (*FIRST, item.path.parent.name).index(item.path.parent.name))
