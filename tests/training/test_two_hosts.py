"""Two hosts for real: network namespaces with an address each, and the one torchrun line on both.

torch's rendezvous and all exchanges go over that link; it is cut and mended in mid-training.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from network_hosts import Host, Network, network
from safetensors.torch import load_file
from same_weights import assert_same_weights

from dvdgan.guard.run_folder import RunFolder
from dvdgan.guard.torchrun import launcher

NewRun = Callable[..., RunFolder]
CHECKPOINTING_RANK = Path(__file__).with_name("checkpointing_rank.py")
PACKAGE = Path(__file__).resolve().parents[2] / "dvdgan"
STEPS, CUT_AFTER, CUT_SECONDS = 12, 3, 4.0


@pytest.fixture
def hosts() -> Iterator[Network]:
    with network(2) as hosts:
        yield hosts


def command(host: Host, first: Host, run: RunFolder) -> list[str]:
    """The trainer's command line on ``host``: the same words on each."""
    words = launcher(2, 1, f"{first.address}:29400", "two-hosts")
    # torchrun's -m, at the end of its own words, takes a module: here, one that keeps its weights.
    return host.inside(*words, "checkpointing_rank", "dvdgan.training", str(run.root))


def finished(run: RunFolder) -> int:
    return run.metrics.read_bytes().count(b"\n") if run.metrics.exists() else 0


@pytest.mark.long
def test_a_link_that_is_cut_and_mended_holds_the_run_up_and_changes_nothing(
    hosts: Network, new_run: NewRun
) -> None:
    sizes = {"steps": STEPS, "batch_size": 2, "checkpoint_every": 4}
    alone, together = new_run("alone", **sizes), new_run("hosts", **sizes)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("DVDGAN")}
    path = os.pathsep.join([str(CHECKPOINTING_RANK.parent), clean.get("PYTHONPATH", "")])
    environment = clean | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    first = hosts.hosts[0]
    logs = [(together.root / f"{host.name}.log").open("wb") for host in hosts.hosts]
    agents = [
        subprocess.Popen(
            command(host, first, together),
            env=environment | {"KEPT": str(together.root)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        for host, log in zip(hosts.hosts, logs, strict=True)
    ]

    def output() -> str:
        return "\n".join(Path(log.name).read_text(errors="replace") for log in logs)

    def await_steps(steps: int, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while finished(together) < steps:
            assert all(agent.poll() in (None, 0) for agent in agents), output()
            assert time.monotonic() < deadline, output()
            time.sleep(0.01)

    try:
        await_steps(CUT_AFTER, 400)
        first.link("down")
        time.sleep(CUT_SECONDS / 2)  # what was under way has ended
        before = finished(together)
        time.sleep(CUT_SECONDS / 2)
        assert finished(together) == before < STEPS
        first.link("up")
        await_steps(STEPS, 400)
        assert [agent.wait(60) for agent in agents] == [0, 0], output()
    finally:
        for agent in agents:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(agent.pid, 9)
            agent.wait()
        for log in logs:
            log.close()
    words = [sys.executable, str(CHECKPOINTING_RANK), "dvdgan.training", str(alone.root)]
    subprocess.run(words, env=environment | {"KEPT": str(alone.root)}, check=True)
    one = load_file(alone.root / "rank0.safetensors")
    for rank in range(2):
        assert_same_weights(load_file(together.root / f"rank{rank}.safetensors"), one, rank)


@pytest.mark.long
@pytest.mark.parametrize("code", ["the same", "other"])
def test_the_host_of_the_endpoint_alone_needs_the_run_folder(
    hosts: Network, new_run: NewRun, tmp_path: Path, code: str
) -> None:
    """It is the second one here, so that an order by addresses would put it last."""
    run = new_run("first", steps=4, batch_size=2, checkpoint_every=4)
    other, first = hosts.hosts
    shutil.copytree(PACKAGE, tmp_path / "dvdgan")
    if code == "other":
        with (tmp_path / "dvdgan/training/ema.py").open("a") as source:
            source.write("\nOTHER = 1\n")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("DVDGAN")}
    agents = [
        subprocess.Popen(
            host.inside(*launcher(2, 1, f"{first.address}:29400", "apart"), "dvdgan.training", run),
            env=clean | {"OMP_NUM_THREADS": "1"},
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for host, run, cwd in (
            (other, ".runs/nowhere", tmp_path),
            (first, str(run.root), PACKAGE.parent),
        )
    ]
    try:
        printed = [agent.communicate(timeout=400)[0] for agent in agents]
    finally:
        for agent in agents:
            agent.kill()
    if code == "other":
        assert "this host has other code than the first one" in printed[0]
        assert run.saved_steps() == []
    else:
        assert [agent.returncode for agent in agents] == [0, 0], printed
        assert run.saved_steps() == [4]
        assert not (tmp_path / ".runs").exists()
