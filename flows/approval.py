"""A person is asked before a rollback: the flow run pauses and shows a form."""

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
from dvdgan.guard.actions import Decision
from dvdgan.guard.interruption import raise_if_interrupted
from dvdgan.guard.run_folder import RunFolder
from flows.best_effort import best_effort, impatient_client

POLL_SECONDS = 2.0
DAYS = 7


class RollBack(RunInput):
    """The form."""

    answer: Literal["roll back", "end here"] = "roll back"
    note: str = ""


def ask(run: RunFolder, to_step: int, reasons: list[str]) -> Decision:
    """Pause the flow run until a person has answered; the trainer is stopped meanwhile.

    A server that is gone is waited for. Raises UserError when nobody has answered within DAYS,
    InterruptedRunError when a stop is asked for; in both cases the same command asks again.
    """
    form = RollBack.with_initial_data(description=_question(run, to_step, reasons))
    identity = UUID(flow_run.get_id())
    get_run_logger().warning("collapsed: a person is asked whether to roll back")
    keys: Keyset | None = None
    deadline = time.monotonic() + DAYS * 24 * 3600
    while time.monotonic() < deadline:
        raise_if_interrupted()
        with best_effort("the question"), impatient_client() as client:
            state = client.read_flow_run(identity).state
            if state is not None and state.is_paused():
                keys = cast(Keyset, state.state_details.run_input_keyset)
            elif state is not None and state.is_running():
                if keys is None:
                    keys = _pause(client, identity, form)
                    continue
                answer = cast(RollBack, form.load(keys, flow_run_id=identity))
                get_run_logger().info("answered: %s. %s", answer.answer, answer.note)
                return Decision(answer.answer == "roll back", answer.note)
        time.sleep(POLL_SECONDS)
    raise UserError(
        f"nobody has answered within {DAYS} days whether to roll back to step {to_step}",
        where=str(run.ledger),
        todo="the same command asks again",
    )


def _pause(client: SyncPrefectClient, identity: UUID, form: type[RollBack]) -> Keyset | None:
    """Show the form; the keys of the answer, None where the server does not let the run pause."""
    paused: State[Any] = Paused(
        timeout_seconds=DAYS * 24 * 3600, reschedule=False, pause_key=uuid4().hex
    )
    keys = keyset_from_paused_state(paused)
    form.save(keys, flow_run_id=identity)
    paused.state_details.run_input_keyset = {str(part): key for part, key in keys.items()}
    answer = client.set_flow_run_state(identity, paused)
    return keys if answer.status == SetStateStatus.ACCEPT else None


def _question(run: RunFolder, to_step: int, reasons: list[str]) -> str:
    signs = "\n".join(f"- {reason}" for reason in reasons)
    back = f"step {to_step}, which was healthy" if to_step else "the beginning, with fresh weights"
    return (
        f"The run `{run.root}` has collapsed and stands still:\n\n{signs}\n\n"
        f"**roll back**: go on from {back}, with new draws and the changes that "
        "`train.guard` tells. **end here**: the run ends with its best checkpoint. The note "
        "goes into the run's ledger."
    )
