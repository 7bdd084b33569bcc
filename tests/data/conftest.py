"""Shards that the tests of the loader read."""

from pathlib import Path

import pytest
from small_shards import shards_of


@pytest.fixture(scope="session")
def shards(synthetic_videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight videos of 32 frames of 32 x 32 to train on, in shards of 3, 3 and 2; four to test."""
    return shards_of(synthetic_videos, tmp_path_factory.mktemp("shards"))
