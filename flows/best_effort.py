"""Calls to Prefect as best effort: an unavailable server costs seconds only."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.logging import get_logger
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from dvdgan.errors import redacted

TIMEOUT_SECONDS = 5.0

# What could not be sent, so that an outage is one line of the log and not one line a checkpoint.
_failing: set[str] = set()


@contextmanager
def best_effort(what: str) -> Iterator[None]:
    """Log what goes wrong inside instead of raising it: once, until ``what`` succeeds again."""
    try:
        yield
        _failing.discard(what)
    except Exception as error:
        if what not in _failing:
            _failing.add(what)
            get_logger("dvdgan").warning(
                "Prefect did not receive %s: %s", what, redacted(str(error))
            )


@contextmanager
def impatient_client() -> Iterator[SyncPrefectClient]:
    """A client of the API that neither retries nor waits longer than TIMEOUT_SECONDS."""
    # The client of the run around it would wait for a minute, and try again for another.
    quick = {"timeout": TIMEOUT_SECONDS}
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client(sync_client=True, httpx_settings=quick) as client,
    ):
        yield client


def await_server(seconds: float) -> None:
    """Wait up to ``seconds`` until the server answers: it may be restarting."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with impatient_client() as client:
            if client.api_healthcheck() is None:
                return
        time.sleep(1)
