"""A running infra/local/prefect.sh in a work tree: server, pool, queues, deployments, worker."""

import json
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from held_trainer import held_after
from prefect_requests import answer_of
from work_tree import environment


@dataclass
class Local:
    """A running infra/local/prefect.sh, and whether its first run is to be ``cancelled``."""

    process: "subprocess.Popen[bytes]"
    tree: Path
    api: str
    log: Path
    cancelled: bool

    def post(self, route: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"{self.api}/{route}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        return json.loads(answer_of(request))


@contextmanager
def running(tree: Path, cancelled: bool) -> Iterator[Local]:
    """Server, files, pool, deployments and worker on free ports; everything ended afterwards.

    Where a run is to be ``cancelled``, trainers hold after step 13 until they are stopped; one that
    resumes there does not.
    """
    variables = held_after(13) if cancelled else {}
    with socket.socket() as free, socket.socket() as also_free:
        for each in (free, also_free):
            each.bind(("127.0.0.1", 0))
        port, files_port = free.getsockname()[1], also_free.getsockname()[1]
    log = tree.parent / "prefect.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["infra/local/prefect.sh"],
            cwd=tree,
            env=environment() | variables | {"PORT": str(port), "FILES_PORT": str(files_port)},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    local = Local(process, tree, f"http://127.0.0.1:{port}/api", log, cancelled)
    try:
        _wait_for_worker(local)
        yield local
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        # A cancelled run's supervisor may be on its way out: it is told of its parent's end.
        deadline = time.monotonic() + 60
        while (left := inside(tree)) and time.monotonic() < deadline:
            time.sleep(0.2)
        told = [leftover.info["cmdline"] for leftover in left]
        for leftover in left:
            leftover.kill()
        assert told == [], "the local Prefect left processes behind"


def inside(tree: Path) -> list[psutil.Process]:
    """The processes that work in ``tree``."""
    found = psutil.process_iter(["cwd", "cmdline"])
    return [process for process in found if process.info["cwd"] == str(tree)]


def _wait_for_worker(local: Local) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert local.process.poll() is None, local.log.read_text()
        log = local.log.read_text()
        if re.search(r"Worker .* started", log) and "Start the pipeline" in log:
            assert "prefect worker start" not in log, "advice that is already followed"
            return
        time.sleep(0.5)
    raise AssertionError(local.log.read_text())


def prefect(local: Local, *words: str) -> subprocess.CompletedProcess[str]:
    """A prefect command against the local server."""
    return subprocess.run(
        ["prefect", *words],
        cwd=local.tree,
        env=environment()
        | {"PREFECT_API_URL": local.api, "PREFECT_HOME": str(local.tree / ".prefect")},
        text=True,
        capture_output=True,
        check=False,
    )
