"""The services of infra/docker/compose.yaml as processes, with their commands and variables.

PostgreSQL and Redis are this machine's; the rest is what the containers run. There is no container.
"""

import base64
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from compose_file import DOCKER, ROOT, compose, passwords

sys.path.insert(0, str(ROOT / "tests" / "flows"))
from prefect_server import free_port, postgresql, wait_until

pytestmark = pytest.mark.long
VALUES = passwords()
TOOLS = Path(sys.executable).parent


class Stack:
    """Services by name, reachable at ports of 127.0.0.1."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder, self.database = folder, database
        self.services: dict[str, Any] = compose(VALUES)["services"]
        self.port, self.redis = free_port(), free_port()

    def environment(self, name: str) -> dict[str, str]:
        """That of compose.yaml, with addresses of this machine."""
        places = {
            "postgresql+asyncpg://prefect:password-of-postgres_password@database:5432/prefect": (
                self.database
            ),
            "messages:6379": f"127.0.0.1:{self.redis}",
            "server:4200": f"127.0.0.1:{self.port}",
        }
        variables = dict(self.services[name].get("environment", {}))
        for key, value in variables.items():
            for there, here in places.items():
                value = value.replace(there, here)
            variables[key] = value
        if "PREFECT_REDIS_MESSAGING_HOST" in variables:
            variables["PREFECT_REDIS_MESSAGING_HOST"] = "127.0.0.1"
            variables["PREFECT_REDIS_MESSAGING_PORT"] = str(self.redis)
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT")}
        own = {
            "PATH": f"{TOOLS}:{clean['PATH']}",
            "PREFECT_HOME": str(self.folder / name),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(self.folder / "ui"),
            "PREFECT_WORKER_WEBSERVER_PORT": str(free_port()),
        }
        return clean | variables | own

    def command(self, name: str) -> list[str]:
        ports = {"4200": str(self.port), "0.0.0.0": "127.0.0.1"}
        return [ports.get(word, word) for word in self.services[name]["command"]]

    def run(self, name: str) -> None:
        """A service that ends."""
        done = subprocess.run(
            self.command(name),
            env=self.environment(name),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @contextmanager
    def start(self, name: str, command: list[str] | None = None) -> Iterator[Path]:
        """A service that goes on; its log."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                command or self.command(name),
                env=self.environment(name),
                cwd=ROOT,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        try:
            yield log
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def status(self, route: str, credentials: str = "") -> int:
        """The status of an answer of the server; 0 where there is none."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/{route}")
        if credentials:
            encoded = base64.b64encode(credentials.encode()).decode()
            request.add_header("Authorization", f"Basic {encoded}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            return refused.code
        except OSError:
            return 0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if shutil.which("redis-server") is None:
        pytest.skip("Redis is not installed (Debian: apt-get install redis-server)")
    with ExitStack() as running:
        folder = tmp_path_factory.mktemp("stack")
        stack = Stack(folder, running.enter_context(postgresql()))
        redis = stack.command("messages")
        running.enter_context(
            stack.start("messages", [*redis, "--port", str(stack.redis), "--dir", str(folder)])
        )
        stack.run("migrate")
        log = running.enter_context(stack.start("server"))
        wait_until(lambda: stack.status("health") == 200, log)
        running.enter_context(stack.start("services"))
        yield stack


def test_the_server_wants_the_password(stack: Stack) -> None:
    assert stack.status("admin/version") == 401
    assert stack.status("admin/version", "admin:another") == 401
    assert stack.status("admin/version", VALUES["PREFECT_AUTH"]) == 200


def test_the_check_of_the_image_follows_the_server(stack: Stack) -> None:
    def check(port: int) -> int:
        url = stack.environment("server")["HEALTH_URL"].replace(":4200", f":{port}")
        return subprocess.run(
            [sys.executable, DOCKER / "healthy.py"],
            env=os.environ | {"HEALTH_URL": url},
            capture_output=True,
            check=False,
        ).returncode

    assert check(stack.port) == 0
    assert check(free_port()) == 1


def test_an_event_goes_through_redis_to_the_server_of_the_services(stack: Stack) -> None:
    """And the worker makes its pool and the deployments, with the password."""
    with stack.start("worker") as log:
        wait_until(lambda: "Worker" in log.read_text() and "started" in log.read_text(), log)
        listed = prefect(stack, "deployment", "ls")
        assert {"pipeline/pipeline", "evaluate/best"} <= set(listed.replace("│", " ").split())
    text = subprocess.run(
        [*redis_cli(stack), "xlen", "events"], capture_output=True, text=True, check=True
    ).stdout
    assert int(text) > 0


def test_a_backup_brings_the_database_back(stack: Stack, tmp_path: Path) -> None:
    tools = docker(stack, tmp_path)
    prefect(stack, "variable", "set", "kept", "before")
    run_script("backup.sh", tmp_path / "saved", tools)
    prefect(stack, "variable", "set", "kept", "after", "--overwrite")
    prefect(stack, "variable", "set", "new", "after")
    (tmp_path / "broken").write_bytes((tmp_path / "saved").read_bytes()[:20_000])
    with pytest.raises(AssertionError):
        run_script("restore.sh", tmp_path / "broken", tools)
    assert "after" in prefect(stack, "variable", "inspect", "new")
    run_script("restore.sh", tmp_path / "saved", tools)
    assert "before" in prefect(stack, "variable", "inspect", "kept")
    assert "new" not in prefect(stack, "variable", "ls")


def prefect(stack: Stack, *words: str) -> str:
    done = subprocess.run(
        ["prefect", *words],
        env=stack.environment("demo"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def redis_cli(stack: Stack) -> list[str]:
    return [
        "redis-cli",
        "-p",
        str(stack.redis),
        "--no-auth-warning",
        "-a",
        VALUES["REDIS_PASSWORD"],
    ]


def docker(stack: Stack, folder: Path) -> Path:
    """A folder with a docker that runs `exec database COMMAND` here and ignores stop and up."""
    place = urlsplit(stack.database)
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    script = f"""#!/usr/bin/env bash
export PATH={newest}:$PATH PGHOST=127.0.0.1 PGPORT={place.port}
while (($#)) && [ "$1" != exec ]; do case "$1" in stop|up) exit 0 ;; esac; shift; done
[ "$1 $2 $3" = "exec -T database" ] && shift 3 && exec "$@"
exit 1
"""
    (folder / "bin").mkdir()
    (folder / "bin/docker").write_text(script)
    (folder / "bin/docker").chmod(0o755)
    return folder / "bin"


def run_script(name: str, file: Path, tools: Path) -> None:
    done = subprocess.run(
        [DOCKER / name, file],
        env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
