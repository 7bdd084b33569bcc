"""The command that every node starts becomes torchrun with what only that node knows.

Two hosts with addresses of their own are in tests/training/test_two_hosts.py.
"""

import os
import sys

import pytest

from dvdgan.errors import EXIT_USER_ERROR
from dvdgan.guard import torchrun


class ReplacedError(Exception):
    """What takes the place of this process: command line and environment."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.command, self.environment = command, environment


def become_torchrun(monkeypatch: pytest.MonkeyPatch, nodes: int, endpoint: str) -> ReplacedError:
    def replace(file: str, command: list[str], environment: dict[str, str]) -> None:
        raise ReplacedError(command, environment)

    command = torchrun.launcher(nodes, 4, endpoint, "launch-1")
    assert command[:3] == [sys.executable, "-m", "dvdgan.guard.torchrun"]
    monkeypatch.setattr(os, "execvpe", replace)
    monkeypatch.setattr(sys, "argv", [*command[2:], "dvdgan.training", "RUN"])
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    with pytest.raises(ReplacedError) as replaced:
        torchrun.main()
    return replaced.value


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


@pytest.mark.parametrize("name", ["127.0.0.1", "127.0.1.1", "localhost"])
def test_the_node_whose_address_the_endpoint_has_is_its_host(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    command = become_torchrun(monkeypatch, 1, f"{name}:29400").command
    assert command[:3] == [sys.executable, "-m", "torch.distributed.run"]
    assert command[-3:] == ["-m", "dvdgan.training", "RUN"]
    assert option(command, "--rdzv-conf").startswith("is_host=true,")
    assert option(command, "--rdzv-endpoint") == f"{name}:29400"
    assert option(command, "--rdzv-id") == "launch-1"
    assert (option(command, "--nnodes"), option(command, "--nproc-per-node")) == ("1", "4")


def test_ranks_meet_over_the_interface_that_leads_to_the_endpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = become_torchrun(monkeypatch, 1, "127.0.0.1:29400")
    assert option(alone.command, "--local-addr") == "127.0.0.1"
    assert alone.environment["GLOO_SOCKET_IFNAME"] == "lo"


def test_a_loopback_address_is_not_given_to_other_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some distributions give a machine's own name one."""
    first = become_torchrun(monkeypatch, 2, "127.0.1.1:29400")
    assert "--local-addr" not in first.command
    assert "GLOO_SOCKET_IFNAME" not in first.environment


def test_an_endpoint_without_a_port_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", torchrun.launcher(2, 4, "node0", "launch-1")[2:])
    with pytest.raises(SystemExit) as ended:
        torchrun.main()
    assert ended.value.code == EXIT_USER_ERROR
    assert "the endpoint is 'node0', not HOST:PORT" in capsys.readouterr().err
