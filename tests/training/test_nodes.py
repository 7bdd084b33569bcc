"""A run over two hosts, a Prefect worker on each: real namespaces, server and trainers.

One server and one run for all of it: a rank is killed, the run is cancelled from the API, goes on,
loses a whole host, gets it back, and ends with the numbers of an undisturbed run on one host.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from many_hosts import ENDLESS, assert_as_on_one_host, end_soon, finished, measure
from network_hosts import Host, Network, network

from dvdgan.errors import EXIT_INTERRUPTED
from dvdgan.guard.run_folder import RunFolder
from dvdgan.storage.local import read_json

NewRun = Callable[..., RunFolder]
PROJECT = Path(__file__).resolve().parents[2]
PORT = 4200
FINAL = {"CANCELLED", "CRASHED", "COMPLETED", "FAILED"}
NODE_TIMEOUT_SECONDS = 20

# A busy machine takes ten times as long.
pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@dataclass
class Cluster:
    """A Prefect server on this machine, and processes that are all ended with it."""

    hosts: Network
    folder: Path
    started: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def api(self) -> str:
        return f"http://{self.hosts.address}:{PORT}/api"

    @property
    def log(self) -> str:
        return "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')[-3000:]}"
            for path in sorted(self.folder.glob("*.log"))
        )

    def environment(self, home: str) -> dict[str, str]:
        clean = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("DVDGAN", "PREFECT"))
        }
        return clean | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}",
            "PYTHONPATH": str(PROJECT),
            "PREFECT_API_URL": self.api,
            "PREFECT_HOME": str(self.folder / home),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "OMP_NUM_THREADS": "1",
            "TMPDIR": str(self.folder),
        }

    def start(self, name: str, words: list[str], **more: str) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                words,
                cwd=PROJECT,
                env=self.environment(name) | more,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def add_node(self, name: str, host: Host) -> None:
        self.start(name, host.inside("infra/prefect/add_node.sh", name))

    def prefect(self, *words: str) -> str:
        done = subprocess.run(
            ["prefect", *words],
            cwd=PROJECT,
            env=self.environment("cli"),
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def post(self, route: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"{self.api}/{route}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def flow_runs(self, flow: str) -> list[dict[str, Any]]:
        """Newest first."""
        body = {"flows": {"name": {"any_": [flow]}}, "sort": "START_TIME_DESC"}
        runs: list[dict[str, Any]] = self.post("flow_runs/filter", body)
        return runs

    def has_logged(self, text: str) -> bool:
        lines = self.post("logs/filter", {"sort": "TIMESTAMP_DESC", "limit": 200})
        return any(text in line["message"] for line in lines)

    def crashed(self) -> list[str]:
        """The nodes whose runs Prefect shows as crashed."""
        runs = self.flow_runs("train-node")
        return [each["parameters"]["name"] for each in runs if each["state_type"] == "CRASHED"]

    def wait(self, what: str, condition: Callable[[], object], seconds: float = 600) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what}\n{self.log}"
            time.sleep(0.2)

    def is_up(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.api}/health", timeout=5):
            return True
        return False


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with network(2) as hosts:
        cluster = Cluster(hosts, tmp_path_factory.mktemp("cluster"))
        try:
            address = ("--host", hosts.address, "--port", str(PORT))
            cluster.start("server", ["prefect", "server", "start", *address])
            cluster.wait("no server", cluster.is_up)
            yield cluster
        finally:
            for process in reversed(cluster.started):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def trainers(*hosts: Host) -> list[int]:
    """Whatever trains on ``hosts``: launchers and ranks."""
    return [pid for host in hosts for pid in host.running("dvdgan.training")]


def ranks(host: Host) -> list[int]:
    """The trainer processes themselves, without torchrun."""
    return sorted(set(trainers(host)) - set(host.running("torch.distributed.run")))


def start_run(cluster: Cluster, run: RunFolder) -> "subprocess.Popen[bytes]":
    """The supervisor, as `dvdgan train` starts it where Prefect answers."""
    one, other = cluster.hosts.hosts
    return cluster.start(
        "train",
        [sys.executable, "-m", "flows.train", str(run.root)],
        DVDGAN_NODES=f"node0={one.address},node1={other.address}",
        DVDGAN_NODE_TIMEOUT=str(NODE_TIMEOUT_SECONDS),
    )


def test_two_hosts_survive_a_killed_rank_cancelling_and_a_lost_host(
    cluster: Cluster, new_run: NewRun
) -> None:
    run, alone = new_run("nodes", **ENDLESS), new_run("alone", **ENDLESS)
    measure(run)
    one, other = cluster.hosts.hosts
    cluster.add_node("node0", one)
    cluster.add_node("node1", other)
    cluster.wait("no workers", lambda: cluster.log.count("' started!") == 2)

    # A rank is killed: torchrun starts both again from the last checkpoint.
    train = start_run(cluster, run)
    cluster.wait("no checkpoint", lambda: run.saved_steps())
    killed = ranks(other)
    assert len(ranks(one)) == len(killed) == 1
    os.kill(killed[0], signal.SIGKILL)
    cluster.wait("the killed rank is not back", lambda: set(ranks(other)) - set(killed))
    before = finished(run)
    cluster.wait("a killed rank ended the run", lambda: finished(run) > before)

    # Cancelled from the API: both save the same step and leave.
    [parent] = cluster.flow_runs("train")
    cluster.prefect("flow-run", "cancel", parent["id"])
    cluster.wait("trainers live on", lambda: not trainers(one, other))
    saved = run.saved_steps()[-1]
    assert saved == read_json(run.interrupted)["step"] == finished(run)
    assert train.wait(120) == EXIT_INTERRUPTED
    cluster.wait(
        "node runs left open",
        lambda: all(each["state_type"] in FINAL for each in cluster.flow_runs("train-node")),
    )

    # The same run goes on where it was, and a whole host is lost on the way.
    train = start_run(cluster, run)
    cluster.wait("not resumed", lambda: finished(run) > saved)
    other.kill_all()
    cluster.wait("the lost node is not named", lambda: cluster.has_logged("node node1 is lost"))
    cluster.wait("half a run trains on", lambda: not trainers(one))
    cluster.wait("its run is not closed", lambda: cluster.crashed() == ["node1"])
    steps = end_soon(run)

    # It is back: both go on to the end.
    cluster.add_node("node1", other)
    cluster.wait("no end", lambda: train.poll() is not None)
    assert train.poll() == 0, cluster.log
    assert run.saved_steps()[-1] == finished(run) == steps
    assert not trainers(one, other)
    assert_as_on_one_host(run, alone, steps)
