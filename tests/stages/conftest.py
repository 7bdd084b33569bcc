"""A trained tiny run, made once for all that measure what comes of it, and warm commands."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny_pipeline import ALL, run_stages, tiny
from warm_commands import WarmCommands

from dvdgan.stages import train


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmCommands]:
    commands = WarmCommands(tmp_path_factory.mktemp("warm"))
    yield commands
    commands.close()


@pytest.fixture(scope="session")
def trained(
    synthetic_videos: Path, warm: WarmCommands, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with a run of one checkpoint; not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    run_stages(tiny(synthetic_videos), folder, ALL[: ALL.index(train)])
    warm.run(folder, "dvdgan", "train")
    return folder


@pytest.fixture(scope="session")
def trained_copy(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Copies of it by name, to go on with."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(trained, tmp_path_factory.mktemp(name) / "folder"))

    return copy
