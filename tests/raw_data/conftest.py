"""A repository in which `dvc repro` has run, made once and copied."""

from collections.abc import Iterator
from pathlib import Path

import at_once
import pytest
from raw_repository import make_repository, repro


@pytest.fixture(scope="session", autouse=True)
def _at_once() -> Iterator[None]:
    yield
    at_once.end()


@pytest.fixture(scope="session")
def reproduced(synthetic_videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The videos in a folder, index and shard done; not to be changed."""
    repository = make_repository(tmp_path_factory.mktemp("reproduced"), synthetic_videos)
    assert "12 videos in 4 classes (8 train, 4 test), 0 refused" in repro(repository)
    return repository
