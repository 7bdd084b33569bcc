"""Projects to review."""

from pathlib import Path

import pytest
from reviewed_project import Project


@pytest.fixture
def demo(tmp_path: Path) -> Project:
    project = Project(tmp_path, "demo")
    (tmp_path / "data/synthetic").write_text("videos", encoding="utf-8")
    return project


@pytest.fixture
def paper(tmp_path: Path) -> Project:
    """The first row of the paper's table 1."""
    return Project(tmp_path, "table1_12x64")
