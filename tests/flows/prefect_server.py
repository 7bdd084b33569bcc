"""A Prefect server of a test's own, on SQLite or PostgreSQL, that can be stopped and started."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from prefect_requests import answer_of

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE = 900.0  # seconds; a server takes 20 to start where nothing else runs


class Server:
    """`prefect server start` and whatever is started beside it."""

    def __init__(self, folder: Path, database: str | None) -> None:
        self.folder = folder
        self.port = free_port()
        self.api = f"http://127.0.0.1:{self.port}/api"
        self._log = folder / "server.log"
        self._own: dict[str, str] = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": database or ""}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT")}
        tools = str(Path(sys.executable).parent)
        return clean | {
            "PATH": f"{tools}{os.pathsep}{clean['PATH']}",
            "PREFECT_HOME": str(self.folder),
            "PREFECT_API_URL": self.api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "OMP_NUM_THREADS": "1",
        }

    def start(self) -> None:
        own = {key: value for key, value in self._own.items() if value}
        command = ["server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dvdgan.guard.parent_death_signal", "prefect", *command],
                env=self.environment | own,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, self._log)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def post(self, route: str, body: dict[str, Any]) -> Any:
        return json.loads(self.call("POST", route, body))

    def call(self, method: str, route: str, body: dict[str, Any]) -> bytes:
        request = urllib.request.Request(
            f"{self.api}/{route}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        return answer_of(request)

    @contextmanager
    def is_ours(self) -> Iterator[None]:
        """This process speaks to this server, too."""
        with (
            pytest.MonkeyPatch.context() as variables,
            temporary_settings({PREFECT_API_URL: self.api, PREFECT_HOME: self.folder}),
        ):
            variables.setenv("PREFECT_API_URL", self.api)
            yield
            EventsWorker.drain_all(timeout=30, at_exit=False)  # it knows this server's address

    def run(self, *command: str, folder: Path = PROJECT, **variables: str) -> str:
        """A command against this server; what it printed."""
        done = subprocess.run(
            command,
            cwd=folder,
            env=self.environment | variables,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    @contextmanager
    def worker(self, pool: str) -> Iterator[None]:
        """A worker for ``pool``."""
        log = self.folder / "worker.log"
        command = ["prefect", "worker", "start", "--pool", pool]
        with log.open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "dvdgan.guard.parent_death_signal", *command],
                env=self.environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            finally:
                process.kill()

    def _answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, self._log.read_text()
        try:
            with urllib.request.urlopen(f"{self.api}/health", timeout=10):
                return True
        except (urllib.error.URLError, OSError):
            return False


@contextmanager
def postgresql() -> Iterator[str]:
    """The address, as Prefect wants it, of a PostgreSQL server; skips where none is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    tools = found[-1].parent if found else Path(on_path or "").parent
    # It refuses to run as root, and another user does not see into pytest's folders.
    user = "postgres" if os.getuid() == 0 else None
    port, data = free_port(), Path(tempfile.mkdtemp(prefix="postgresql-"))
    if user is not None:
        shutil.chown(data, user)

    def call(*command: str) -> None:
        done = subprocess.run(command, user=user, cwd="/", capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data}"
    control = [str(tools / "pg_ctl"), "-D", str(data), "-w", "-t", "120"]
    try:
        call(str(tools / "initdb"), "-D", str(data), "-U", "prefect", "--auth", "trust")
        call(*control, "-l", str(data / "log"), "-o", options, "start")
        there = ["-h", "127.0.0.1", "-p", str(port), "-U", "prefect"]
        call(str(tools / "createdb"), *there, "prefect")
        call(str(tools / "psql"), *there, "-c", "create extension pg_trgm", "prefect")
        yield f"postgresql+asyncpg://prefect@127.0.0.1:{port}/prefect"
    finally:
        if (data / "postmaster.pid").exists():
            call(*control, "-m", "immediate", "stop")
        shutil.rmtree(data)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_until(condition: Any, log: Path | None = None) -> None:
    """Return when ``condition()`` is true; fail, with the log, when it does not become so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        last = log.read_text()[-4000:] if log is not None and log.exists() else ""
        assert time.monotonic() < deadline, last
        time.sleep(0.3)
