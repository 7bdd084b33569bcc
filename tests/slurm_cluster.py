"""A real Slurm on one machine: network namespaces as nodes, a controller, a slurmd on each."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from network_hosts import Host, Network, network

PROJECT = Path(__file__).resolve().parents[1]

SLURM_CONF = """\
ClusterName=test
SlurmctldHost={controller}({address})
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/linear
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=20
KillWait=60
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    """The running cluster, and its commands."""

    def __init__(self, folder: Path, hosts: Network) -> None:
        self.folder, self.hosts, self.address = folder, hosts.hosts, hosts.address
        self.own = folder / "own"
        """On each node another folder: `own_folder`."""
        self.own.mkdir()

    def own_folder(self, host: Host) -> Path:
        """The folder that ``host`` sees at `own`, as seen from outside."""
        return self.folder / f"own.{host.name}"

    @property
    def environment(self) -> dict[str, str]:
        clean = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("DVDGAN", "PREFECT", "SLURM", "SBATCH"))
        }
        return clean | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}",
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "OMP_NUM_THREADS": "1",
        }

    def run(self, *words: str, **variables: str) -> str:
        """A Slurm command, given on the first node as on a login node."""
        done = subprocess.run(
            self.hosts[0].inside(*words),
            env=self.environment | variables,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}\n{self.log}"
        return done.stdout.strip()

    def show(self, job: str) -> str:
        """What Slurm knows of it, NAME=VALUE ..."""
        return self.run("scontrol", "show", "job", job, "--oneliner")

    def state(self, job: str) -> str:
        """RUNNING, PENDING, COMPLETED, CANCELLED, ..."""
        return self.show(job).partition("JobState=")[2].split()[0]

    @property
    def log(self) -> str:
        """The last lines of all daemons and jobs."""
        return "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')[-3000:]}"
            for path in sorted([*self.folder.glob("*.log"), *self.folder.glob("*.out")])
        )

    def wait(self, what: str, condition: Callable[[], object], seconds: float = 600) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what}\n{self.log}"
            time.sleep(0.2)


@contextlib.contextmanager
def slurm(folder: Path, nodes: int = 2) -> Iterator[Slurm]:
    """The cluster, its nodes idle; skips the test where Slurm, munge or root are missing."""
    missing = [tool for tool in ("slurmctld", "slurmd", "srun", "munged") if not _found(tool)]
    if missing:
        pytest.skip(f"no {', '.join(missing)} here: they come with slurm-wlm and munge")
    with network(nodes, names_resolve=True) as hosts, contextlib.ExitStack() as daemons:
        cluster = Slurm(folder, hosts)
        _configure(cluster)
        for words in _daemons(cluster):
            daemons.enter_context(_daemon(cluster, words))
        cluster.wait("the nodes are not up", lambda: _idle(cluster) == nodes, 60)
        yield cluster


def _found(tool: str) -> str | None:
    return shutil.which(tool, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")


def _configure(cluster: Slurm) -> None:
    folder = cluster.folder
    nodes = "\n".join(
        f"NodeName={host.name} NodeAddr={host.address} CPUs=1 State=UNKNOWN"
        for host in cluster.hosts
    )
    controller = socket.gethostname().partition(".")[0]
    text = SLURM_CONF.format(
        controller=controller, address=cluster.address, folder=folder, nodes=nodes
    )
    (folder / "slurm.conf").write_text(text)
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
    (folder / "state").mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)


def _daemons(cluster: Slurm) -> Iterator[list[str]]:
    folder = cluster.folder
    yield [
        *(str(_found("munged")), "--foreground", "--force", "--socket", f"{folder}/munge.socket"),
        *("--key-file", f"{folder}/munge.key", "--pid-file", f"{folder}/munged.pid"),
        *("--log-file", f"{folder}/munged.log", "--seed-file", f"{folder}/munged.seed"),
    ]
    yield [str(_found("slurmctld")), "-D"]
    for host in cluster.hosts:
        cluster.own_folder(host).mkdir()
        started = (
            f"hostname {host.name} && mount --bind {cluster.own_folder(host)} {cluster.own}"
            f" && exec {_found('slurmd')} -D -N {host.name}"
        )
        yield host.inside("unshare", "--uts", "--mount", "sh", "-c", started)


@contextlib.contextmanager
def _daemon(cluster: Slurm, words: list[str]) -> Iterator[None]:
    with (cluster.folder / "daemons.log").open("ab") as log:
        process = subprocess.Popen(
            words, env=cluster.environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        if "munged" in words[0]:
            socket_file = cluster.folder / "munge.socket"
            cluster.wait("munged does not listen", socket_file.exists, 30)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _idle(cluster: Slurm) -> int:
    done = subprocess.run(
        ["sinfo", "--noheader", "--Node", "--format", "%T"],
        env=cluster.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.split().count("idle")
