"""`dvdgan doctor`: its lines, its exit codes, its time limit, and what it leaves."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from doctor_settings import DEMO, settings

from dvdgan.doctor import check_process, checks
from dvdgan.doctor.check_process import findings_of
from dvdgan.doctor.finding import FAILS, OK, WARNING, Finding, size
from dvdgan.doctor.settings import DoctorSettings
from dvdgan.doctor.text import lines_of, summary
from dvdgan.errors import EXIT_USER_ERROR, UserError
from dvdgan.storage.store import StoreUnavailableError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the demo's params."""
    shutil.copy(DEMO, tmp_path / "params.yaml")
    return tmp_path


def doctor(project: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("DVDGAN_")}
    return subprocess.run(
        [sys.executable, "-m", "dvdgan", "doctor", *words],
        cwd=project,
        env=own | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_line_for_each_check_within_the_columns_and_nothing_is_left(project: Path) -> None:
    done = doctor(project, "environment", "weights", "locks", COLUMNS="80")
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    heads = [line[:10].strip() + "/" + line[10:23].strip() for line in lines if line[0] != " "]
    assert heads == ["ok/environment", "not used/weights", "ok/locks"]
    assert max(map(len, lines)) <= 80
    assert last == "2 ok, 1 not used"
    assert [path.name for path in project.iterdir()] == ["params.yaml"]


def test_json_and_exit_code_of_a_failure(project: Path) -> None:
    text = (project / "params.yaml").read_text(encoding="utf-8")
    for old, new in (
        ("- self_trained", "- unterthiner_fvd"),
        ("  frames: 6", "  frames: 12"),
        ("  samples: 256", "  samples: 2048"),
    ):
        text = text.replace(old, new)
    (project / "params.yaml").write_text(text, encoding="utf-8")
    done = doctor(project, "weights", "--json")
    assert done.returncode == EXIT_USER_ERROR
    (found,) = json.loads(done.stdout)
    assert (found["name"], found["state"]) == ("weights", FAILS)
    assert "dvdgan convert" in found["todo"]


def test_an_unknown_check_and_a_refused_variable_are_errors(project: Path) -> None:
    with pytest.raises(UserError, match="there is no check discs") as refused:
        list(checks.diagnose(settings(), ["discs"]))
    assert "disk" in refused.value.todo
    done = doctor(project, "weights", DVDGAN_LOADER_WORKERS="many")
    assert done.returncode == EXIT_USER_ERROR
    assert 'DVDGAN_LOADER_WORKERS is "many"' in done.stderr


def hangs(settings: DoctorSettings) -> Iterator[Finding]:
    yield Finding("hangs", OK, "the first part")
    file = Path(settings.videos)
    file.touch()
    try:
        subprocess.run([sys.executable, "-c", "import time; time.sleep(300)"], check=True)
    finally:
        file.unlink()


def test_a_check_that_hangs_is_ended_and_leaves_nothing(tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    began = time.monotonic()
    first, late = findings_of("hangs", hangs, settings(videos=str(tmp_path / "object"), seconds=1))
    assert time.monotonic() - began < 1 + check_process.GRACE_SECONDS
    assert (first.state, late.state) == (OK, FAILS)
    assert late.message == "the check did not end within 1 s and was stopped"
    assert "dvdgan doctor --timeout 2 hangs" in late.todo
    assert list(tmp_path.iterdir()) == []
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UserError("it is wrong", where="here", todo="repair it"), "it is wrong (here)"),
        (StoreUnavailableError("no answer from s3://a:b@c/d?e"), "s3://***@c/d?***"),
        (PermissionError(13, "Permission denied", "/there"), "Permission denied (/there)"),
    ],
)
def test_an_error_with_a_known_cause_is_a_finding(error: Exception, words: str) -> None:
    def raises(settings: DoctorSettings) -> list[Finding]:
        raise error

    (found,) = findings_of("it", raises, settings())
    assert (found.state, words in found.message) == (FAILS, True), found


def test_a_bug_in_a_check_keeps_its_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    def is_wrong(settings: DoctorSettings) -> list[Finding]:
        return [Finding("x", OK, str(1 // 0))]

    (found,) = findings_of("wrong", is_wrong, settings())
    assert (found.state, "exit code 1" in found.message) == (FAILS, True)
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_crash_does_not_end_the_others() -> None:
    def crashes(settings: DoctorSettings) -> list[Finding]:
        os.kill(os.getpid(), signal.SIGKILL)

    (found,) = findings_of("driver", crashes, settings())
    assert (found.state, "exit code -9" in found.message) == (FAILS, True)


def test_lines_are_wrapped_below_their_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = lines_of(Finding("disk", WARNING, "word " * 12, "do " * 20)).splitlines()
    assert lines[0].startswith("warning   disk         word word")
    assert {line[:23] for line in lines[1:]} == {" " * 23}
    assert [line for line in lines if "to do: do" in line] == lines[2:3]
    assert max(map(len, lines)) <= 60


def test_the_summary_counts() -> None:
    states = [OK, OK, WARNING, FAILS, FAILS]
    found = [Finding("x", state, "") for state in states]
    assert summary(found) == "2 ok, 1 warning, 2 failures"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (999, "999 B"),
        (61_300_000_000, "61.3 GB"),
        (4e6, "4 MB"),
        (999.7e6, "1 GB"),
        (2.5e15, "2,500 TB"),
    ],
)
def test_sizes(count: float, text: str) -> None:
    assert size(count) == text
