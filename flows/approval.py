"""Approval of a rollback: the flow run pauses and shows a form."""

import time
from typing import Any, Literal, cast
from uuid import UUID, uuid4

from prefect import State, get_run_logger
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.responses import SetStateStatus
from prefect.input import Keyset, RunInput, keyset_from_paused_state
from prefect.runtime import flow_run
from prefect.states import Paused

from dvdgan.errors import UserError
from dvdgan.guard.interruption import raise_if_interrupted
from dvdgan.guard.run_folder import RunFolder
from dvdgan.guard.supervisor import Decision
from flows.best_effort import best_effort, impatient_client

POLL_SECONDS = 2.0
DAYS = 7


class ApprovalForm(RunInput):
    """The fields of the form."""

    decision: Literal["roll back", "end here"] = "roll back"
    note: str = ""


def request_approval(run: RunFolder, to_step: int, reasons: list[str]) -> Decision:
    """Pause the flow run until a person has decided; the trainer is stopped in the meantime.

    Waits for an unavailable server. Raises UserError if there is no decision within DAYS,
    InterruptedRunError after a signal; in both cases the same command requests it again.
    """
    form = ApprovalForm.with_initial_data(description=_description(run, to_step, reasons))
    identity = UUID(flow_run.get_id())
    get_run_logger().warning("collapsed: a rollback waits for approval")
    keys: Keyset | None = None
    deadline = time.monotonic() + DAYS * 24 * 3600
    while time.monotonic() < deadline:
        raise_if_interrupted()
        with best_effort("the request for approval"), impatient_client() as client:
            state = client.read_flow_run(identity).state
            if state is not None and state.is_paused():
                keys = cast(Keyset, state.state_details.run_input_keyset)
            elif state is not None and state.is_running():
                if keys is None:
                    keys = _pause(client, identity, form)
                    continue
                filled_in = cast(ApprovalForm, form.load(keys, flow_run_id=identity))
                get_run_logger().info("decided: %s. %s", filled_in.decision, filled_in.note)
                return Decision(filled_in.decision == "roll back", filled_in.note)
        time.sleep(POLL_SECONDS)
    raise UserError(
        f"there was no decision within {DAYS} days on rolling back to step {to_step}",
        where=str(run.ledger),
        todo="run the same command to request it again",
    )


def _pause(client: SyncPrefectClient, identity: UUID, form: type[ApprovalForm]) -> Keyset | None:
    """Show the form; the keys of its fields, None if the server does not let the run pause."""
    paused: State[Any] = Paused(
        timeout_seconds=DAYS * 24 * 3600, reschedule=False, pause_key=uuid4().hex
    )
    keys = keyset_from_paused_state(paused)
    form.save(keys, flow_run_id=identity)
    paused.state_details.run_input_keyset = {str(part): key for part, key in keys.items()}
    response = client.set_flow_run_state(identity, paused)
    return keys if response.status == SetStateStatus.ACCEPT else None


def _description(run: RunFolder, to_step: int, reasons: list[str]) -> str:
    listed = "\n".join(f"- {reason}" for reason in reasons)
    back = f"step {to_step}, which was healthy" if to_step else "the beginning, with new weights"
    return (
        f"The run `{run.root}` has collapsed and is paused:\n\n{listed}\n\n**roll back**: "
        f"continue from {back}, with new seeds and the changes set in `train.guard`. **end "
        "here**: the run ends with its best checkpoint. The note is stored in the run's ledger."
    )
