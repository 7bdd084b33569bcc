"""Name and tags of a flow run: its task, commit and params."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import State
from prefect.runtime import flow_run
from prefect.states import Completed

from dvdgan.config import Config, fingerprint
from flows.best_effort import best_effort, impatient_client

# In this order a person wants to know of them.
OUTCOMES = ("ran", "restored", "skipped")


def label_run(name: str, tags: list[str]) -> None:
    """Name the flow run this is called in, and add ``tags`` to its own."""
    with best_effort("names of runs"), impatient_client() as client:
        both = sorted({*flow_run.get_tags(), *tags})
        client.update_flow_run(UUID(flow_run.get_id()), name=name, tags=both)


def params_tag(config: Config) -> str:
    """`params:FINGERPRINT`; a copy of `retrain` is named after the same fingerprint."""
    return f"params:{fingerprint(config)}"


def commit_tags(folder: Path) -> list[str]:
    """`commit:HASH` of the work tree ``folder``, with -dirty where files of git have changed.

    Empty outside of git.
    """
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [f"commit:{done.stdout.strip()}"] if done.returncode == 0 else []


def stages_completed(name: str, outcomes: Mapping[str, str], result: Any) -> State[Any]:
    """The last state of a run of stages, which lists what became of each; its ``result``.

    The run's name becomes ``name`` with the numbers of stages.
    """
    stages = {each: [s for s, outcome in outcomes.items() if outcome == each] for each in OUTCOMES}
    counts = ", ".join(f"{len(names)} {each}" for each, names in stages.items() if names)
    with best_effort("names of runs"), impatient_client() as client:
        client.update_flow_run(UUID(flow_run.get_id()), name=f"{name}: {counts}")
    lists = "; ".join(f"{each}: {', '.join(names)}" for each, names in stages.items() if names)
    return Completed(message=lists, data=result)
