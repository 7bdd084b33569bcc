"""The torchrun command line and the environment of a launch, equal on every node.

    python -m dvdgan.guard.torchrun --nodes N --processes P --endpoint HOST:PORT --run-id ID MODULE

is what a Prefect worker, srun or a pod runs on every node. It becomes torchrun with the options
that only this node knows. No name has to resolve but the endpoint's.

The environment of a run on Prefect workers travels in a file of the run folder. There are
credentials in it: only its owner may read it, it exists as long as the nodes train, and neither
logs nor the parameters of a flow run have it.
"""

import argparse
import ipaddress
import json
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from dvdgan.errors import EXIT_USER_ERROR, UserError
from dvdgan.machine.machine import NO_FILE
from dvdgan.storage.local import read_json

# A rank that dies takes all down and up again; one death was seen to cost two restarts.
MAX_RESTARTS = 3
# A pod or a job step may come minutes after its siblings; a node that never comes ends the others.
JOIN_SECONDS = 300
# torchrun kills ranks after 30 s by default, which a large checkpoint may exceed. Survivors of a
# dead rank have nothing to save and leave long before (training/stop_deadline.py).
STOP_SECONDS = 110

PREFIXES = (
    *("DVDGAN_", "ACCELERATE_", "TORCH_", "PYTORCH_", "OMP_", "CUDA_", "CUBLAS_"),
    *("NCCL_", "GLOO_", "AWS_", "WANDB_", "MLFLOW_"),
)
# Variables of one host or one process.
NOT_SHARED = (
    *("CUDA_VISIBLE_DEVICES", "DVDGAN_LAUNCHER", "DVDGAN_NODES", "DVDGAN_FOLDER"),
    *("DVDGAN_PROCESS_TAG", "DVDGAN_PARENT"),
)


def launcher(nodes: int, processes: int, endpoint: str, run_id: str) -> list[str]:
    """The command, equal on every node, that becomes this node's torchrun.

    ``processes`` are those of one node. All nodes meet at ``endpoint`` (HOST:PORT, on the first
    one). ``run_id`` belongs to one launch: a process that is left of an earlier one cannot join.
    """
    return [
        *(sys.executable, "-m", "dvdgan.guard.torchrun", "--nodes", str(nodes)),
        *("--processes", str(processes), "--endpoint", endpoint, "--run-id", run_id),
    ]


def main() -> None:
    """Become this node's torchrun. Waits for the endpoint's name for up to JOIN_SECONDS."""
    parser = argparse.ArgumentParser(prog="python -m dvdgan.guard.torchrun", description=__doc__)
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--run-id", required=True)
    parser.add_argument("module", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    try:
        own, meeting = _addresses(given.endpoint)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_USER_ERROR)
    interfaces = {
        each.address.partition("%")[0]: name
        for name, addresses in psutil.net_if_addrs().items()
        for each in addresses
    }
    # Some distributions give a machine's own name a loopback address, which no other can reach.
    reachable = given.nodes == 1 or own not in ("127.0.0.1", "::1")
    # torchrun finds out by itself only where names resolve.
    is_host = meeting in interfaces or ipaddress.ip_address(meeting).is_loopback
    command = [
        *(sys.executable, "-m", "torch.distributed.run"),
        *("--nnodes", str(given.nodes), "--nproc-per-node", str(given.processes)),
        *("--rdzv-backend", "c10d", "--rdzv-endpoint", given.endpoint, "--rdzv-id", given.run_id),
        *("--rdzv-conf", f"is_host={str(is_host).lower()},join_timeout={JOIN_SECONDS}"),
        # torchrun orders its nodes by these words and uses that of the first one alone. The
        # endpoint's host comes first: its first rank is the main process, which alone needs the
        # run folder.
        *(("--local-addr", own if is_host else f"~{own}") if reachable else ()),
        *("--max-restarts", str(MAX_RESTARTS), "--monitor-interval", "1"),
        *("--shutdown-timeout", str(STOP_SECONDS)),
        *("--signals-to-handle", "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1", "-m", *given.module),
    ]
    # Without it gloo uses the address of the host name.
    gloo = {"GLOO_SOCKET_IFNAME": interfaces[own]} if reachable and own in interfaces else {}
    os.execvpe(command[0], command, gloo | os.environ)


def _addresses(endpoint: str) -> tuple[str, str]:
    """This machine's address towards ``endpoint``, and the endpoint's.

    Raises UserError if it is not HOST:PORT or its name stays unknown for JOIN_SECONDS.
    """
    name, colon, port = endpoint.rpartition(":")
    if not (colon and name and port.isdecimal()):
        raise UserError(
            f"the endpoint is {endpoint!r}, not HOST:PORT",
            todo="write HOST:PORT, such as node0:29400",
        )
    deadline = time.monotonic() + JOIN_SECONDS
    while True:
        try:
            family, _, _, _, meeting = socket.getaddrinfo(
                name.strip("[]"), int(port), type=socket.SOCK_DGRAM
            )[0]
            break
        except socket.gaierror as error:
            if time.monotonic() > deadline:  # the name of a pod comes with the pod
                raise UserError(
                    f"the name {name!r} is not known on {socket.gethostname()}: {error}",
                    where="the endpoint of the run",
                    todo="give the first node's address instead, or correct its DNS",
                ) from error
        time.sleep(1.0)
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(meeting)  # sends nothing; the kernel chooses the address it would come from
        return str(probe.getsockname()[0]), str(meeting[0])


def shared_variables(variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Those of ``variables`` that the trainers of all nodes get.

    `Machine.share` has put the machine file's values there; the trainers read no file of their own.
    """
    shared = {
        name: value
        for name, value in variables.items()
        if name.startswith(PREFIXES) and name not in NOT_SHARED
    }
    return shared | NO_FILE


@contextmanager
def environment_file(path: Path) -> Iterator[None]:
    """Keep `shared_variables` in ``path``, mode 0600, inside the block.

    Its name is environment-ID.json; those of earlier launches, which were killed, are removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob("environment-*.json"):
        left.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(shared_variables(), file)
        yield
    finally:
        path.unlink(missing_ok=True)


def read_environment(path: Path) -> dict[str, str]:
    """The variables that `environment_file` wrote. Raises UserError if it cannot be read."""
    try:
        variables: dict[str, str] = read_json(path)
    except OSError as error:
        raise UserError(
            f"the run's environment cannot be read: {error.strerror}",
            where=str(path),
            todo="run the worker of every node as the user that runs `dvdgan train`",
        ) from error
    return variables


if __name__ == "__main__":
    main()
