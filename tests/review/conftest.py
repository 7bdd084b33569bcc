"""Projects to review."""

from pathlib import Path
from typing import Any

import pytest
from reviewed_project import Project

from dvdgan.review import presets
from dvdgan.yaml_file import read_yaml

READ: dict[bytes, Any] = {}


@pytest.fixture(autouse=True)
def equal_presets_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each project has all presets: to parse them takes more than half a second."""

    def read(path: Path) -> Any:
        content = path.read_bytes()
        if content not in READ:
            READ[content] = read_yaml(path)
        return READ[content]

    monkeypatch.setattr(presets, "read_yaml", read)


@pytest.fixture
def demo(tmp_path: Path) -> Project:
    project = Project(tmp_path, "demo")
    (tmp_path / "data/synthetic").write_text("videos", encoding="utf-8")
    return project


@pytest.fixture
def paper(tmp_path: Path) -> Project:
    """The first row of the paper's table 1."""
    return Project(tmp_path, "table1_12x64")
