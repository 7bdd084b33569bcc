"""Two hosts for real: network namespaces with an address each and one link between them.

torch's rendezvous and all exchanges go over that link; it is cut and mended in mid-training.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from safetensors.torch import load_file
from same_weights import assert_same_weights

from dvdgan.guard.run_folder import RunFolder

NewRun = Callable[..., RunFolder]
KEEPING_RANK = Path(__file__).with_name("keeping_rank.py")
STEPS, CUT_AFTER, CUT_SECONDS = 12, 3, 4.0
PORT = "29400"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@dataclass
class Host:
    """A network namespace: its name and address."""

    name: str
    address: str

    def command(self, run: RunFolder, is_first: bool, first: "Host") -> list[str]:
        """The trainer's command line on this host."""
        return [
            *("ip", "netns", "exec", self.name, sys.executable, "-m", "torch.distributed.run"),
            *("--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d"),
            *("--rdzv-endpoint", f"{first.address}:{PORT}", "--rdzv-id", "two-hosts"),
            *("--rdzv-conf", f"is_host={str(is_first).lower()},join_timeout=120"),
            *("--local-addr", self.address, "--max-restarts", "3", "--monitor-interval", "1"),
            *(str(KEEPING_RANK), "dvdgan.training", str(run.root)),
        ]


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    mark = os.getpid()
    one, other = Host(f"dvd{mark}a", "10.77.0.1"), Host(f"dvd{mark}b", "10.77.0.2")
    try:
        try:
            for host in (one, other):
                ip("netns", "add", host.name)
            ends = ("name", "eth0", "netns")
            ip("link", "add", *ends, one.name, "type", "veth", "peer", *ends, other.name)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
        for host in (one, other):
            ip("-n", host.name, "address", "add", f"{host.address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                ip("-n", host.name, "link", "set", device, "up")
        yield one, other
    finally:
        for host in (one, other):
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "delete", host.name)


def finished(run: RunFolder) -> int:
    return run.metrics.read_bytes().count(b"\n") if run.metrics.exists() else 0


def test_a_link_that_is_cut_and_mended_holds_the_run_up_and_changes_nothing(
    hosts: tuple[Host, Host], new_run: NewRun
) -> None:
    sizes = {"steps": STEPS, "batch_size": 2, "checkpoint_every": 4}
    alone, together = new_run("alone", **sizes), new_run("hosts", **sizes)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("DVDGAN")}
    environment = clean | {
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "eth0",
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
    }
    first = hosts[0]
    logs = [(together.root / f"{host.name}.log").open("wb") for host in hosts]
    agents = [
        subprocess.Popen(
            host.command(together, host is first, first),
            env=environment | {"KEPT": str(together.root)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        for host, log in zip(hosts, logs, strict=True)
    ]

    def told() -> str:
        return "\n".join(Path(log.name).read_text(errors="replace") for log in logs)

    def await_steps(steps: int, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while finished(together) < steps:
            assert all(agent.poll() in (None, 0) for agent in agents), told()
            assert time.monotonic() < deadline, told()
            time.sleep(0.01)

    try:
        await_steps(CUT_AFTER, 120)
        ip("-n", first.name, "link", "set", "eth0", "down")
        time.sleep(CUT_SECONDS / 2)  # what was under way has ended
        before = finished(together)
        time.sleep(CUT_SECONDS / 2)
        assert finished(together) == before < STEPS
        ip("-n", first.name, "link", "set", "eth0", "up")
        await_steps(STEPS, 120)
        assert [agent.wait(60) for agent in agents] == [0, 0], told()
    finally:
        for agent in agents:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(agent.pid, 9)
            agent.wait()
        for log in logs:
            log.close()
    words = [sys.executable, str(KEEPING_RANK), "dvdgan.training", str(alone.root)]
    subprocess.run(words, env=environment | {"KEPT": str(alone.root)}, check=True)
    one = load_file(alone.root / "rank0.safetensors")
    for rank in range(2):
        assert_same_weights(load_file(together.root / f"rank{rank}.safetensors"), one, rank)
