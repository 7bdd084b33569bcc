"""The Prefect server: a plain HTTP server that answers as good and bad ones do."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import prefect
import pytest
from doctor_settings import DEMO, settings
from prefect.settings import PREFECT_API_URL, temporary_settings

from dvdgan.doctor import prefect_server
from dvdgan.doctor.finding import FAILS, NOT_USED, OK, WARNING, Finding
from dvdgan.errors import UserError
from flows.doctor import server_facts

QUEUE = str(uuid4())
NOW = datetime.now(UTC).isoformat()
NODE = {
    "id": str(uuid4()),
    "name": "node0",
    "flow_id": str(uuid4()),
    "work_pool_name": "nodes",
    "work_queue_name": "node0",
    "work_queue_id": QUEUE,
}


class Answers:
    """What the server answers: its version, status of all, clock, and the state of a queue."""

    version: str = prefect.__version__
    status = 200
    ahead = 0.0
    queue = "READY"
    port = 0

    def of(self, path: str) -> tuple[int, Any]:
        if self.status != 200:
            return self.status, {"detail": "no"}
        match path.removeprefix("/api"):
            case "/admin/version":
                return 200, self.version
            case "/deployments/name/train-node/node0":
                return 200, NODE
            case route if route == f"/work_queues/{QUEUE}":
                return 200, {
                    "id": QUEUE,
                    "name": "node0",
                    "work_pool_id": QUEUE,
                    "status": self.queue,
                }
            case "/hello":
                return 200, "hello"
        return 404, {"detail": "not found"}


@pytest.fixture
def answers() -> Iterator[Answers]:
    given = Answers()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = given.of(self.path)
            data = json.dumps(body).encode()
            self.send_response_only(status)
            self.send_header("Date", formatdate(time.time() + given.ahead, usegmt=True))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    given.port = server.server_address[1]
    yield given
    server.shutdown()
    server.server_close()


def findings(answers: Answers, *deployments: str) -> list[Finding]:
    api = f"http://127.0.0.1:{answers.port}/api"
    with temporary_settings({PREFECT_API_URL: api}):
        facts = json.loads(json.dumps(server_facts(list(deployments))))
    return list(prefect_server.judged(api, facts))


def test_a_server_that_is_right_and_a_node_whose_worker_works(answers: Answers) -> None:
    found = findings(answers, "train-node/node0")
    assert [each.state for each in found] == [OK, OK, OK]
    server, clock, node = found
    assert server.message.endswith(f"/api answers: version {prefect.__version__}")
    assert clock.name == "clock"
    assert node.message == "train-node/node0: its worker looks for work"


@pytest.mark.parametrize(
    ("version", "state"), [("2.20.1", FAILS), ("3.0.0", WARNING), ("3.99.0", OK)]
)
def test_the_version_of_the_server(answers: Answers, version: str, state: str) -> None:
    answers.version = version
    found = findings(answers)[0]
    assert (found.state, version in found.message) == (state, True)


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_refuses(answers: Answers, status: int) -> None:
    answers.status = status
    (found,) = findings(answers)
    assert (found.state, f"(status {status})" in found.message) == (FAILS, True)
    assert "PREFECT_API_AUTH_STRING" in found.todo


def test_another_server_and_none(answers: Answers) -> None:
    answers.status = 500
    (other,) = findings(answers)
    assert (other.state, "(status 500)" in other.message) == (FAILS, True)
    answers.port = 1
    (none,) = findings(answers)
    assert (none.state, "no Prefect server answers" in none.message) == (FAILS, True)


def test_the_clock_of_the_server(answers: Answers) -> None:
    answers.ahead = 60
    _, clock = findings(answers)
    assert (clock.state, " s behind that of http://" in clock.message) == (WARNING, True)


def test_deployments_and_workers_that_are_missing(answers: Answers) -> None:
    answers.queue = "NOT_READY"
    *_, idle, missing, evaluation = findings(
        answers, "train-node/node0", "train-node/node1", "measure/checkpoint"
    )
    assert (idle.state, "no worker looks for work" in idle.message) == (WARNING, True)
    assert (missing.state, missing.message) == (FAILS, "there is no deployment train-node/node1")
    assert "infra/prefect/add_node.sh node1" in missing.todo
    assert evaluation.state == WARNING  # checkpoints are evaluated on this host
    assert "infra/prefect/add_evaluator.sh" in evaluation.todo


def test_without_a_server() -> None:
    (unused,) = prefect_server.check(settings())
    assert unused.state == NOT_USED
    (evaluation,) = prefect_server.check(settings(DVDGAN_EVALUATION_WORKER="1"))
    assert evaluation.state == WARNING
    with pytest.raises(UserError, match="without a Prefect server"):
        list(prefect_server.check(settings(DVDGAN_NODES="node0=10.0.0.1")))


def test_the_command_prints_no_password(answers: Answers, tmp_path: Path) -> None:
    own = {
        "PREFECT_API_URL": f"http://admin:secret@127.0.0.1:{answers.port}/api",
        "PREFECT_API_AUTH_STRING": "admin:hidden",
        "PREFECT_HOME": str(tmp_path),
        "DVDGAN_NODES": "node0=10.0.0.1",
    }
    words = [sys.executable, "-m", "dvdgan", "doctor", "prefect", "--params", str(DEMO)]
    done = subprocess.run(
        words, env=os.environ | own, capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train-node/node0: its worker looks for work" in done.stdout
    assert "secret" not in done.stdout + done.stderr
    assert "hidden" not in done.stdout + done.stderr
