"""Whether the processes that train together reach each other: launcher, NCCL or Gloo, network."""

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator

from dvdgan.doctor.all_reduce import NUMBERS, RESULT, AllReduce
from dvdgan.doctor.finding import FAILS, NOT_USED, OK, WARNING, Finding, size
from dvdgan.doctor.settings import DoctorSettings
from dvdgan.guard.launched_processes import LaunchedProcesses
from dvdgan.machine import NO_LAUNCHER

NAME = "processes"
# The first of the ports at which nodes meet (docs/clusters.md).
PORT = 15000
CONNECT_SECONDS = 3.0
STOP_SECONDS = 5.0


def check(settings: DoctorSettings) -> Iterator[Finding]:
    """A line for the launcher's processes, or one for each node that Prefect starts them on."""
    import torch

    launcher = settings.machine.launch.launcher
    if settings.machine.nodes.hosts:
        yield from map(_node, settings.machine.nodes.hosts)
    elif launcher != NO_LAUNCHER:
        yield _launched(launcher)
    elif torch.cuda.device_count() > 1:
        yield Finding(
            NAME,
            WARNING,
            f"this host has {torch.cuda.device_count()} GPUs, and one process trains",
            f"set launch.launcher (DVDGAN_LAUNCHER) to `torchrun --standalone --nproc-per-node "
            f"{torch.cuda.device_count()} -m`",
        )
    else:
        yield Finding(NAME, NOT_USED, "one process trains")


def _launched(launcher: tuple[str, ...]) -> Finding:
    words = [*launcher, "dvdgan.doctor.all_reduce"]
    try:
        started = LaunchedProcesses(words, output=subprocess.PIPE)
    except OSError as error:
        return Finding(
            NAME, FAILS, f"the launcher cannot be started: {error}", "correct launch.launcher"
        )
    try:
        lines = [line.rstrip() for line in started.lines()]
    finally:
        code = started.stop(STOP_SECONDS)
    found = [line for line in lines if RESULT in line]
    if code or not found:
        print(*lines, sep="\n", file=sys.stderr)
        return Finding(
            NAME,
            FAILS,
            f"`{' '.join(words)}` ended with exit code {code} and without a result; its "
            "output is above",
            "run it by hand; NCCL_DEBUG=INFO, or GLOO_SOCKET_IFNAME for CPUs, may show why",
        )
    return judged(AllReduce(**json.loads(found[0].partition(RESULT)[2])))


def judged(found: AllReduce) -> Finding:
    """The finding for what the processes measured."""
    count = sum(found.hosts.values())
    where = ", ".join(f"{number} on {host}" for host, number in found.hosts.items())
    if not found.correct:
        return Finding(
            NAME,
            FAILS,
            f"the sum over {count} processes ({where}) by {found.backend} is wrong",
            "do not train here: a network or a GPU changes data; test each host alone",
        )
    amount = 4 * NUMBERS
    return Finding(
        NAME,
        OK,
        f"{count} ({where}), {found.backend}: {size(amount)} are summed in "
        f"{1000 * found.seconds:.3g} ms",
    )


def _node(node: tuple[str, str]) -> Finding:
    """Whether a host answers: a connection that is refused is an answer, too."""
    name, address = node
    try:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection((address, PORT), CONNECT_SECONDS).close()
    except OSError as error:
        reason = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        return Finding(
            NAME,
            FAILS,
            f"node {name} ({address}) cannot be reached at port {PORT}: {reason}",
            "correct nodes.hosts (DVDGAN_NODES), start the host, or open ports 15000 to 29999",
        )
    return Finding(NAME, OK, f"node {name} ({address}) can be reached")
