"""The Prefect server of a run, if it uses one: its answers are read by flows/doctor.py."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from dvdgan.doctor.clock import compared
from dvdgan.doctor.finding import FAILS, NOT_USED, OK, WARNING, Finding
from dvdgan.doctor.settings import DoctorSettings

NAME = "prefect"
EVALUATION = "measure/checkpoint"


def check(settings: DoctorSettings) -> Iterator[Finding]:
    """A line for the server, its clock, and each deployment that the run needs.

    Raises UserError if the run needs a server and PREFECT_API_URL is not set.
    """
    machine = settings.machine
    nodes = [f"train-node/{name}" for name, _ in machine.nodes.hosts]
    needed = [*nodes, *([EVALUATION] if machine.evaluation.worker else [])]
    if machine.prefect.api_url is None:
        machine.refuse_without_prefect()
        if machine.evaluation.worker:
            message = "DVDGAN_EVALUATION_WORKER is set, and PREFECT_API_URL is not"
            todo = "set it to a server; without it, checkpoints are evaluated on this host"
            yield Finding(NAME, WARNING, message, todo)
        else:
            yield Finding(NAME, NOT_USED, "PREFECT_API_URL is not set")
        return
    words = [sys.executable, "-m", "flows.doctor", *needed]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    yield from judged(machine.prefect.api_url, json.loads(done.stdout))


def judged(api: str, facts: dict[str, Any]) -> Iterator[Finding]:
    """The findings for `server_facts` of flows/doctor.py."""
    if "away" in facts:
        yield Finding(
            NAME,
            FAILS,
            f"no Prefect server answers at {api} ({facts['away']})",
            "start it (docs/prefect.md), or correct or unset PREFECT_API_URL: it ends in /api",
        )
        return
    if "refused" in facts:
        yield Finding(
            NAME,
            FAILS,
            f"{api} refuses this machine ({facts['refused']})",
            "set PREFECT_API_AUTH_STRING to the server's USER:PASSWORD, or PREFECT_API_KEY",
        )
        return
    yield _version(api, facts["server"], facts["client"])
    if "date" in facts:
        yield compared(api, facts["date"], facts["sent"])
    for name, found in facts["deployments"].items():
        yield _deployment(name, found)


def _version(api: str, server: str, client: str) -> Finding:
    there, here = (tuple(map(int, each.split(".")[:2])) for each in (server, client))
    message = f"{api} answers: version {server}"
    if there[0] != here[0]:
        state, todo = FAILS, f"start a server of version {client}"
    elif there < here:
        state, todo = WARNING, f"upgrade the server to {client}"
    else:
        return Finding(NAME, OK, message)
    return Finding(NAME, state, f"{message}, this machine has {client}", todo)


def _deployment(name: str, found: dict[str, Any] | None) -> Finding:
    # Without an evaluator, checkpoints are evaluated on this host.
    state = WARNING if name == EVALUATION else FAILS
    if name == EVALUATION:
        command = "`infra/prefect/add_evaluator.sh` on the host that evaluates"
    else:
        command = f"`infra/prefect/add_node.sh {name.partition('/')[2]}` on that host"
    if found is None:
        return Finding(NAME, state, f"there is no deployment {name}", f"run {command}")
    if not found["polled"]:
        where = f"the queue {found['queue']} of the pool {found['pool']}"
        return Finding(
            NAME,
            WARNING,
            f"{name}: no worker looks for work in {where}",
            f"run {command}; the run waits for it",
        )
    return Finding(NAME, OK, f"{name}: its worker looks for work")
