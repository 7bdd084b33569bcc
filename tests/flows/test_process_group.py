"""A stage's command is streamed, and taken down whole when its task is."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from prefect.exceptions import TerminationSignal
from prefect.utilities.engine import capture_sigterm

from flows.process_group import run_in_group

# A parent that notes SIGINT and then waits for its child, as DVC does for a stage.
FAMILY = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
try:
    child.wait()
except KeyboardInterrupt:
    print("asked to stop", flush=True)
    child.wait()
"""


def test_lines_arrive_as_they_are_printed(tmp_path: Path) -> None:
    script = "import time\nfor n in range(3):\n    print('line', n)\n    time.sleep(0.3)"
    seen: list[tuple[str, float]] = []
    code = run_in_group(
        [sys.executable, "-c", script],
        str(tmp_path),
        lambda line: seen.append((line, time.monotonic())),
    )
    assert code == 0
    assert [line for line, _ in seen] == ["line 0", "line 1", "line 2"]
    assert seen[2][1] - seen[0][1] > 0.3  # not all at the end


def test_the_exit_code_and_the_folder_are_the_commands(tmp_path: Path) -> None:
    lines: list[str] = []
    script = "import os, sys; print(os.getcwd()); sys.exit(75)"
    assert run_in_group([sys.executable, "-c", script], str(tmp_path), lines.append) == 75
    assert lines == [str(tmp_path)]


def test_this_environments_tools_are_found_first(tmp_path: Path) -> None:
    lines: list[str] = []
    run_in_group(["sh", "-c", "command -v dvdgan"], str(tmp_path), lines.append)
    assert lines == [str(Path(sys.executable).parent / "dvdgan")]


@pytest.mark.parametrize(
    ("number", "raised"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, TerminationSignal)],
    ids=["Ctrl-C", "cancelled"],
)
def test_an_interruption_takes_all_descendants_along(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    raised: type[BaseException],
) -> None:
    """A worker cancels a flow run by SIGTERM, which Prefect makes an exception inside of flows."""
    monkeypatch.setattr("flows.process_group.STOP_GRACE_SECONDS", 10.0)
    # A test run started in the background inherits a deaf ear.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        if line.startswith("child"):
            me = os.getpid()
            threading.Timer(0.5, lambda: os.kill(me, number)).start()

    try:
        with capture_sigterm(), pytest.raises(raised):
            run_in_group([sys.executable, "-c", FAMILY], str(tmp_path), on_line)
    finally:
        signal.signal(signal.SIGINT, before)
    [child] = [int(line.split()[1]) for line in lines if line.startswith("child")]
    assert not psutil.pid_exists(child)
