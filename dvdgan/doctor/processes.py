"""Whether the processes of a run reach each other: a sum over the group that its launcher makes."""

import contextlib
import json
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from dvdgan.doctor.disk import existing
from dvdgan.doctor.finding import FAILS, NOT_USED, OK, WARNING, Finding
from dvdgan.doctor.lock_probe import HELD
from dvdgan.doctor.locks import scratch_folder
from dvdgan.doctor.process_group import DONE, FAILED, JOINED, LOCK, MARK, NUMBERS
from dvdgan.doctor.settings import RUNS, DoctorSettings
from dvdgan.guard.launched_processes import LaunchedProcesses
from dvdgan.guard.run_lock import lock
from dvdgan.machine import NO_LAUNCHER

NAME = "processes"
# The first of the ports at which nodes meet (docs/clusters.md).
PORT = 15000
CONNECT_SECONDS = 3.0
# Of the time limit of the check: until a process gives up, and until all are stopped.
JOIN_SHARE, RUN_SHARE = 0.6, 0.8
STOP_SECONDS = 2.0

Reports = Mapping[int, Mapping[str, Any]]
"""Rank -> the last line that it printed (doctor/process_group.py)."""


def check(settings: DoctorSettings) -> Iterator[Finding]:
    """Have the processes of DVDGAN_LAUNCHER sum, or connect to each of DVDGAN_NODES."""
    launcher, nodes = settings.machine.launch.launcher, settings.machine.nodes.hosts
    if nodes:
        yield from map(_node, nodes)
        return
    if launcher == NO_LAUNCHER:
        yield Finding(NAME, NOT_USED, "a run is one process: DVDGAN_LAUNCHER is not set")
        return
    with scratch_folder(existing(RUNS)) as folder, lock(folder / LOCK, "another `dvdgan doctor`"):
        words = ["dvdgan.doctor.process_group", str(folder), str(JOIN_SHARE * settings.seconds)]
        try:
            reports, last = _run([*launcher, *words], RUN_SHARE * settings.seconds)
        except OSError as error:
            yield Finding(
                NAME,
                FAILS,
                f"DVDGAN_LAUNCHER, {shlex.join(launcher)}, cannot be started: {error.strerror}",
                "correct it, or activate the environment that has it",
            )
            return
    if not reports:
        yield Finding(
            NAME,
            FAILS,
            f"`{shlex.join(launcher)}` started no process; its last line: {last or 'none'}",
            "correct DVDGAN_LAUNCHER; on several nodes, start it on all of them (docs/clusters.md)",
        )
        return
    yield from judged(reports)
    yield from batch_of(settings, reports)


def _node(node: tuple[str, str]) -> Finding:
    """Whether a host answers; a connection that is refused is an answer, too."""
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


def _run(command: list[str], seconds: float) -> tuple[Reports, str]:
    """The reports of all processes, and the last other line; after ``seconds`` they are stopped."""
    processes = LaunchedProcesses(command, output=subprocess.PIPE)
    reports: dict[int, dict[str, Any]] = {}
    other = [""]

    def read() -> None:
        for line in processes.lines():
            found = parsed(line)
            if found is not None:
                reports[found["rank"]] = found
            elif line.strip():
                other[0] = line.strip()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(seconds)
    processes.stop(STOP_SECONDS)
    reader.join(STOP_SECONDS)
    return dict(reports), other[0]


def parsed(line: str) -> dict[str, Any] | None:
    """A report in a line, which a launcher may begin with a name of the process."""
    begin = line.find(f'{{"{MARK}": ')
    if begin < 0:
        return None
    try:
        found: dict[str, Any] = json.loads(line[begin:])
    except ValueError:
        return None  # two lines in one
    return found


def judged(reports: Reports) -> Iterator[Finding]:
    """The findings for what at least one process reported."""
    some = next(iter(reports.values()))
    world, meeting = some["world"], some["meeting"]
    missing = sorted(set(range(world)) - reports.keys())
    failed = [each for each in reports.values() if each[MARK] == FAILED]
    waiting = [each for each in reports.values() if each[MARK] not in (DONE, FAILED)]
    if missing:
        yield Finding(
            NAME,
            FAILS,
            f"rank {_listed(missing)} of {world} did not start; there are "
            f"{_places(reports.values())}",
            "look at the launcher's output on the hosts that are missing: "
            "`$DVDGAN_LAUNCHER dvdgan.doctor.process_group . 60`",
        )
    elif failed:
        first = failed[0]
        yield Finding(
            NAME,
            FAILS,
            f"{_places(failed)} did not reach the others at {meeting}: {first['error']}",
            "open all ports between the hosts, and choose the network: GLOO_SOCKET_IFNAME, "
            "NCCL_SOCKET_IFNAME; NCCL_DEBUG=INFO shows what NCCL does",
        )
    elif waiting:
        joined = "sum" if waiting[0][MARK] == JOINED else "answer"
        yield Finding(
            NAME,
            FAILS,
            f"{_places(waiting)} did not {joined} in time, at {meeting}",
            "open all ports between the hosts; NCCL_DEBUG=INFO shows what NCCL does",
        )
    else:
        yield _sum(reports)
    yield from _files(reports)


def _sum(reports: Reports) -> Finding:
    world = len(reports)
    expected = world * (world + 1) // 2
    wrong = [each for each in reports.values() if not each["sum"] == expected == _largest(each)]
    if wrong:
        todo = "another NCCL or driver, or NCCL_P2P_DISABLE=1, NCCL_IB_DISABLE=1 to find which"
        numbers = f"{wrong[0]['sum']:g} to {_largest(wrong[0]):g}"
        found = f"{_places(wrong)} summed to {numbers}, not {expected}"
        return Finding(NAME, FAILS, found, f"the network or a GPU damages data: try {todo}")
    hosts = {each["host"] for each in reports.values()}
    slowest = max(each["seconds"] for each in reports.values())
    backend = reports[0]["backend"].upper() if reports[0]["backend"] == "nccl" else "Gloo"
    where = "1 host" if len(hosts) == 1 else f"{len(hosts)} hosts"
    return Finding(
        NAME,
        OK,
        f"{world} on {where} sum by {backend}: {4 * NUMBERS / 1e6:g} MB in {1000 * slowest:.0f} ms",
    )


def _largest(report: Mapping[str, Any]) -> float:
    return float(report.get("largest", report["sum"]))


def _files(reports: Reports) -> Iterator[Finding]:
    """Whether hosts see the project's folder, and the lock that is held here."""
    apart = {each["host"]: each for each in reports.values() if each["lock"] is None}
    if apart:
        yield Finding(
            NAME,
            WARNING,
            f"{_places(apart.values())} does not see this folder",
            "use a shared file system, or put shards and backups into a store (docs/clusters.md)",
        )
    free = {each["host"]: each for each in reports.values() if each["lock"] not in (None, HELD)}
    if free:
        yield Finding(
            NAME,
            FAILS,
            f"{_places(free.values())} does not see the lock that is held here",
            "mount the project's file system with locks that work between hosts (docs/doctor.md)",
        )


def batch_of(settings: DoctorSettings, reports: Reports) -> Iterator[Finding]:
    """A failure if the processes cannot divide a batch."""
    world, train = next(iter(reports.values()))["world"], settings.train
    if train.batch_size % (world * train.accumulation):
        yield Finding(
            NAME,
            FAILS,
            f"train.batch_size is {train.batch_size}, not a multiple of {world} processes times "
            f"train.accumulation ({train.accumulation})",
            "change one of them",
        )


def _places(reports: Any) -> str:
    """`rank 0 (host a, 10.0.0.1)` of each, the first four."""
    found = sorted(reports, key=lambda each: int(each["rank"]))
    shown = [f"rank {each['rank']} ({each['host']}, {each['address']})" for each in found[:4]]
    more = [f"{len(found) - 4} more"] if len(found) > 4 else []
    return ", ".join(shown + more)


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")
