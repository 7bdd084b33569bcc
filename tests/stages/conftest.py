"""A trained tiny run, made once for all that measure what comes of it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_pipeline import ALL, run_stages, tiny

from dvdgan.stages import export


@pytest.fixture(scope="session")
def trained(synthetic_videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of one checkpoint; not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    run_stages(tiny(synthetic_videos), folder, ALL[: ALL.index(export)])
    return folder


@pytest.fixture(scope="session")
def trained_copy(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Copies of it by name, to go on with."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(trained, tmp_path_factory.mktemp(name) / "folder"))

    return copy
