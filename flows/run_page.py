"""The page of a training run in the browser, with its cancel button."""

import os
import signal
import socket
import threading
from contextvars import copy_context
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import State
from prefect.client.schemas.filters import FlowRunFilter
from prefect.runtime import flow_run
from prefect.states import Crashed

from dvdgan.guard import ledger
from dvdgan.guard.run_folder import RunFolder
from flows.artifacts import TableRow, show_link, show_metrics, show_progress, show_sheet
from flows.best_effort import best_effort, impatient_client
from flows.labels import commit_tags

# How often the cancel button is polled.
POLL_SECONDS = 5.0


class RunPage:
    """A thread of the supervisor that shows the state of a run from its ledger, as best effort.

    It also passes the cancel button on, as SIGTERM to this process: only flow runs that a worker
    has started are cancelled by it. Made inside the flow run.
    """

    def __init__(self, run: RunFolder, steps: int) -> None:
        self._run, self._steps = run, steps
        self._id = UUID(flow_run.get_id())
        self._changed, self._closing = threading.Event(), threading.Event()
        self._shown: set[object] = set()
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._work,), name="run page", daemon=True
        )
        self._thread.start()

    def refresh(self) -> None:
        """Show what has changed; returns at once."""
        self._changed.set()

    def close(self, seconds: float) -> None:
        """Show it for the last time, within ``seconds``."""
        self._closing.set()
        self._changed.set()
        self._thread.join(seconds)

    def _work(self) -> None:
        while not self._closing.is_set():
            if self._changed.wait(POLL_SECONDS):
                self._changed.clear()
                self._begin()
                self._show()
            self._poll_cancel_button()
        self._show()

    def _show(self) -> None:
        run, name = self._run, self._run.root.name
        with best_effort("the run's page"):
            show_progress(name, max(run.saved_steps(), default=0), self._steps)
            events = ledger.read(run.ledger)
            rows = {_label(event): _row(event) for event in events if "verdict" in event}
            if rows and self._first(len(rows)):
                show_metrics(f"train {name}", rows)
            sheet = max(run.samples.glob("step-*.png"), default=None)
            if sheet is not None and self._first(sheet):
                show_sheet(f"samples {name}", sheet)
            if rows and self._first(run.ledger):
                show_link(f"ledger {name}", run.ledger, Path())

    def _first(self, what: object) -> bool:
        new = what not in self._shown
        self._shown.add(what)
        return new

    def _poll_cancel_button(self) -> None:
        with best_effort("the cancel button"), impatient_client() as client:
            state = client.read_flow_run(self._id).state
            if state is not None and (state.is_cancelling() or state.is_cancelled()):
                os.kill(os.getpid(), signal.SIGTERM)
                self._closing.set()

    def _begin(self) -> None:
        """Tag the flow run, and end those that would be shown as running or paused for ever because
        their process was killed: this one's supervisor holds the run folder's lock."""
        if not self._first("begin"):
            return
        place = f"at:{socket.gethostname()}:{self._run.root.resolve()}"
        parent = os.environ.get("PREFECT__FLOW_RUN_ID")
        wanted = FlowRunFilter.model_validate(
            {
                "tags": {"all_": [place]},
                "state": {"type": {"any_": ["RUNNING", "PAUSED", "PENDING", "CANCELLING"]}},
                "id": {"not_any_": [self._id]},
            }
        )
        with best_effort("runs that are over"), impatient_client() as client:
            # Not by prefect.tags: tasks would have them too, and request the server's concurrency
            # limit of each.
            tags = [place, *commit_tags(Path()), *([f"parent:{parent}"] if parent else [])]
            client.update_flow_run(self._id, tags=tags)
            for other in client.read_flow_runs(flow_run_filter=wanted):
                over: State[Any] = Crashed(
                    message="its process has ended; a later run continues it"
                )
                client.set_flow_run_state(other.id, over, force=True)


def _label(event: ledger.Event) -> str:
    restart = event["restart_index"]
    return f"step {event['step']}" + (f", restart {restart}" if restart else "")


def _row(event: ledger.Event) -> TableRow:
    verdict = {"verdict": event["verdict"], "reasons": "; ".join(event["reasons"])}
    return {**event["metrics"], **event["health"], **verdict}
