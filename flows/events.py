"""What happens to checkpoints, as Prefect events that automations may answer.

`dvdgan.checkpoint.saved`, `.best`, `.collapsed`, `.rolled_back` and `.never_learned`, each
about the resource `dvdgan.checkpoint.RUN.STEP` and related to `dvdgan.run.RUN`. No decision depends
on them: decisions are in the run's ledger.
"""

import os
from pathlib import Path
from typing import Any, Literal

from prefect.events import emit_event

from flows.best_effort import best_effort

Kind = Literal["saved", "best", "collapsed", "rolled_back", "never_learned"]


def emit(kind: Kind, run_name: str, step: int, payload: dict[str, Any]) -> None:
    """Emit the event of one checkpoint; its payload also holds `run`, `step` and the work tree,
    which is the working folder, as `folder`.

    Returns at once and never raises: a thread of Prefect's sends it, again after an outage. Where
    no server is configured nothing is emitted.
    """
    if "PREFECT_API_URL" not in os.environ:
        return
    with best_effort(f"checkpoints {kind}"):
        emit_event(
            event_name(kind),
            resource={
                "prefect.resource.id": f"dvdgan.checkpoint.{run_name}.{step}",
                "prefect.resource.name": f"{run_name} step {step}",
            },
            related=[
                {
                    "prefect.resource.id": f"dvdgan.run.{run_name}",
                    "prefect.resource.role": "run",
                }
            ],
            payload={**payload, "run": run_name, "step": step, "folder": str(Path.cwd())},
        )


def emit_new_data(folder: str, payload: dict[str, Any]) -> None:
    """Emit `dvdgan.data.changed`: the videos of the work tree ``folder`` are no longer the same."""
    if "PREFECT_API_URL" not in os.environ:
        return
    with best_effort("new data"):
        emit_event(
            "dvdgan.data.changed",
            resource={"prefect.resource.id": f"dvdgan.data.{folder}"},
            payload={**payload, "folder": folder},
        )


def event_name(kind: Kind) -> str:
    """The name automations wait for."""
    return f"dvdgan.checkpoint.{kind}"
