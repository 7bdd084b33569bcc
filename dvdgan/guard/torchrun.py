"""The one torchrun command line, which every node of a run starts, whoever starts it there.

    python -m dvdgan.guard.torchrun --nodes N --processes P --endpoint HOST:PORT --run-id ID MODULE

is the same on every node: a Prefect worker, srun or a pod runs it, and it becomes torchrun with
what only this node knows filled in. No name has to resolve but the endpoint's.
"""

import argparse
import fcntl
import os
import socket
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from dvdgan.errors import EXIT_USER_ERROR, UserError

# A rank that dies takes all down and up again; one death was seen to cost two restarts.
MAX_RESTARTS = 3
# A pod or a job step may come minutes after its siblings; a node that never comes ends the others.
JOIN_SECONDS = 300
# torchrun kills ranks after 30 s by default, which a large checkpoint may exceed. Survivors of a
# dead rank have nothing to save and leave long before (training/stop_deadline.py).
STOP_SECONDS = 110
SIOCGIFADDR = 0x8915  # Linux: the IPv4 address of an interface


@dataclass(frozen=True)
class Node:
    """One node's place in a run: all of them meet at ``endpoint`` (HOST:PORT, on the first one)."""

    nodes: int
    processes: int
    """On each node."""
    endpoint: str
    run_id: str
    """Of this launch alone: a straggler of an earlier one must not join."""
    is_host: bool
    """Whether the endpoint is this node. torchrun finds out by itself only where names resolve."""
    address: str | None
    """Under which the others reach this node; None: its host name, which has to resolve."""

    def torchrun(self) -> list[str]:
        """torchrun's command line, up to the module's name."""
        meeting = f"is_host={str(self.is_host).lower()},join_timeout={JOIN_SECONDS}"
        return [
            *(sys.executable, "-m", "torch.distributed.run"),
            *("--nnodes", str(self.nodes), "--nproc-per-node", str(self.processes)),
            *("--rdzv-backend", "c10d", "--rdzv-endpoint", self.endpoint),
            *("--rdzv-id", self.run_id, "--rdzv-conf", meeting),
            *(("--local-addr", self.address) if self.address else ()),
            *("--max-restarts", str(MAX_RESTARTS), "--monitor-interval", "1"),
            *("--shutdown-timeout", str(STOP_SECONDS)),
            *("--signals-to-handle", "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1", "-m"),
        ]


def launcher(nodes: int, processes: int, endpoint: str, run_id: str) -> list[str]:
    """The command, equal on every node, that finds the node's place and becomes its torchrun."""
    return [
        *(sys.executable, "-m", "dvdgan.guard.torchrun", "--nodes", str(nodes)),
        *("--processes", str(processes), "--endpoint", endpoint, "--run-id", run_id),
    ]


def environment(address: str | None) -> dict[str, str]:
    """What torchrun and its ranks need in their environment; what is set already stays."""
    # A store shared by all of torchrun's restarts lets a process find addresses of dead ones.
    needed = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    interface = None if address is None else _interface_of(address)
    if interface is not None:
        needed["GLOO_SOCKET_IFNAME"] = interface  # else it asks for the host name's address
    return needed | os.environ


def main(words: Sequence[str] | None = None) -> None:
    """Become this node's torchrun. Waits for the endpoint's name for up to JOIN_SECONDS."""
    parser = argparse.ArgumentParser(prog="python -m dvdgan.guard.torchrun", description=__doc__)
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--run-id", required=True)
    parser.add_argument("module", nargs=argparse.REMAINDER)
    given = parser.parse_args(words)
    try:
        node = place(given.nodes, given.processes, given.endpoint, given.run_id)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_USER_ERROR)
    command = [*node.torchrun(), *given.module]
    os.execvpe(command[0], command, environment(node.address))


def place(
    nodes: int, processes: int, endpoint: str, run_id: str, wait: float = JOIN_SECONDS
) -> Node:
    """This machine's place in the run whose nodes meet at ``endpoint``.

    Raises UserError where the endpoint is not HOST:PORT or its name stays unknown for ``wait``
    seconds.
    """
    name, colon, port = endpoint.rpartition(":")
    if not (colon and name and port.isdecimal()):
        raise UserError(
            f"the endpoint is {endpoint!r}, not HOST:PORT", todo="say for instance node0:29400"
        )
    family, meeting = _resolved(name.strip("[]"), int(port), wait)
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(meeting)  # sends nothing; asks the kernel which address it would come from
        own = str(probe.getsockname()[0])
    # Some distributions give a machine's own name a loopback address, which no other can reach.
    loopback = own in ("127.0.0.1", "::1")
    address = None if loopback and nodes > 1 else own
    return Node(nodes, processes, endpoint, run_id, _is_here(family, meeting[0]), address)


def _resolved(name: str, port: int, wait: float) -> tuple[int, tuple[str, int]]:
    deadline = time.monotonic() + wait
    while True:
        try:
            found = socket.getaddrinfo(name, port, type=socket.SOCK_DGRAM)
            return found[0][0], found[0][4]  # type: ignore[return-value]
        except socket.gaierror as error:
            if time.monotonic() > deadline:  # the name of a pod comes with the pod
                raise UserError(
                    f"the name {name!r} is not known on {socket.gethostname()}: {error}",
                    where="the endpoint of the run",
                    todo="give the first node's address instead, or mend its DNS",
                ) from error
        time.sleep(1.0)


def _is_here(family: int, address: str) -> bool:
    """Whether ``address`` is one of this machine's own: no other can be bound."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _interface_of(address: str) -> str | None:
    """The network interface with this IPv4 address; None: there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode())
            try:
                answer = fcntl.ioctl(probe, SIOCGIFADDR, request)
            except OSError:  # it has no address
                continue
            if socket.inet_ntoa(answer[20:24]) == address:
                return name
    return None


if __name__ == "__main__":
    main()
