"""What the tests of the guard share."""

from pathlib import Path

import pytest

from dvdgan.guard import supervisor
from dvdgan.guard.run_folder import RunFolder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setattr(supervisor, "POLL_SECONDS", 0.0)
    return RunFolder(tmp_path)
