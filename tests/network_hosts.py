"""Hosts for real on one machine: network namespaces with an address each, on one switch."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Host:
    """A network namespace with one interface, eth0."""

    name: str
    address: str

    def inside(self, *words: str) -> list[str]:
        """The command line that runs ``words`` on this host."""
        return ["ip", "netns", "exec", self.name, *words]

    def link(self, state: str) -> None:
        """Plug the cable in ("up") or out ("down")."""
        ip("-n", self.name, "link", "set", "eth0", state)

    def pids(self) -> list[int]:
        """All processes on this host."""
        done = subprocess.run(
            ["ip", "netns", "pids", self.name], check=True, capture_output=True, text=True
        )
        return [int(word) for word in done.stdout.split()]

    def running(self, word: str) -> list[int]:
        """Those with ``word`` in their command line."""
        found = []
        for pid in self.pids():
            with contextlib.suppress(OSError):  # it has ended
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                if word in words:
                    found.append(pid)
        return found

    def kill_all(self) -> None:
        """What a power cut does to the processes of this host."""
        while pids := self.pids():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@dataclass(frozen=True)
class Network:
    """Some hosts, and the address under which they reach this machine."""

    hosts: list[Host]
    address: str


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextlib.contextmanager
def network(count: int, names_resolve: bool = False) -> Iterator[Network]:
    """``count`` hosts; with ``names_resolve`` each knows the names of all, else none.

    Skips the test where this machine has no namespaces to give. At the end every process on the
    hosts is killed.
    """
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    number = os.getpid()
    subnet = f"10.{64 + number // 250 % 128}.{number % 250}"
    switch = f"dvd{number % 10**7}s"
    hosts = [Host(f"dvd{number % 10**7}n{each}", f"{subnet}.{each + 1}") for each in range(count)]
    try:
        try:
            ip("link", "add", switch, "type", "bridge")
            for host in hosts:
                ip("netns", "add", host.name)
                end = f"{host.name}e"
                ip("link", "add", "eth0", "netns", host.name, "type", "veth", "peer", "name", end)
                ip("link", "set", end, "master", switch, "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
        ip("address", "add", f"{subnet}.254/24", "dev", switch)
        ip("link", "set", switch, "up")
        for host in hosts:
            ip("-n", host.name, "address", "add", f"{host.address}/24", "dev", "eth0")
            ip("-n", host.name, "link", "set", "lo", "up")
            host.link("up")
            if names_resolve:
                _write_names(host, hosts)
        yield Network(hosts, f"{subnet}.254")
    finally:
        for host in hosts:
            with contextlib.suppress(subprocess.CalledProcessError):
                host.kill_all()
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "delete", host.name)
            shutil.rmtree(_etc(host), ignore_errors=True)
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("link", "delete", switch)


def _etc(host: Host) -> Path:
    """What lies here is laid over /etc on ``host`` by `ip netns exec`."""
    return Path("/etc/netns") / host.name


def _write_names(host: Host, hosts: list[Host]) -> None:
    _etc(host).mkdir(parents=True)
    names = [f"{each.address} {each.name}" for each in hosts]
    (_etc(host) / "hosts").write_text("\n".join(["127.0.0.1 localhost", *names, ""]))
