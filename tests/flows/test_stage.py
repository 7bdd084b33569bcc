"""One stage through `dvc repro`: what came of it, and whose turn it is."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from flows.stage import BusyError, logged, reproduce

PIPELINE = """
stages:
  copy:
    cmd: cp in out
    deps: [in]
    outs: [out]
  slow:
    cmd: touch begun && while [ ! -e go ]; do sleep 0.1; done && touch done
    outs: [done]
  broken:
    cmd: echo this is why && exit 3
    outs: [nothing]
"""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Outside of a flow there is no run's log."""
    with disable_run_logger():
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    analytics = false\n    no_scm = true\n")
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "in").write_text("1")
    return tmp_path


def test_a_stage_runs_is_skipped_and_is_restored(folder: Path) -> None:
    assert reproduce("copy", str(folder)) == "ran"
    assert reproduce("copy", str(folder)) == "skipped"
    (folder / "in").write_text("2")
    assert reproduce("copy", str(folder)) == "ran"
    (folder / "in").write_text("1")
    assert reproduce("copy", str(folder)) == "restored"
    assert (folder / "out").read_text() == "1"


def test_a_failure_tells_its_last_lines(folder: Path) -> None:
    with pytest.raises(RuntimeError, match="this is why") as caught:
        reproduce("broken", str(folder))
    assert not isinstance(caught.value, BusyError)


def test_a_stage_in_other_hands_is_busy_and_done_when_asked_later(folder: Path) -> None:
    dvc = Path(sys.executable).with_name("dvc")
    other = subprocess.Popen([dvc, "repro", "slow"], cwd=folder, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not (folder / "begun").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        with pytest.raises(BusyError, match="being blocked by"):
            reproduce("slow", str(folder))
        (folder / "go").touch()
        assert other.wait(120) == 0
        assert reproduce("slow", str(folder)) == "skipped"
    finally:
        (folder / "go").touch()
        other.kill()
        other.wait()


def test_the_code_that_dvc_sees_is_the_code_that_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "flows.py").touch()  # found before the installed package
    monkeypatch.setenv("PYTHONPATH", os.fspath(folder / "other"))
    script = "import flows, os; print(flows.__file__, os.environ['PYTHONPATH'])"
    assert logged([sys.executable, "-P", "-c", script], str(folder)) == [
        f"{folder / 'flows.py'} {folder}{os.pathsep}{folder / 'other'}"
    ]
