"""What `dvdgan doctor` needs to know of the Prefect server, as JSON.

python -m flows.doctor DEPLOYMENT ...
"""

import json
import sys
import time
from email.utils import parsedate_to_datetime
from typing import Any

import prefect
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from dvdgan.errors import redacted
from flows.best_effort import impatient_client

REFUSALS = (401, 403)


def server_facts(deployments: list[str]) -> dict[str, Any]:
    """What the server at PREFECT_API_URL answers; no request is sent twice.

    ``client`` and ``server`` are versions. ``date`` and ``sent`` are the server's clock and this
    machine's, in seconds since 1970. ``deployments``: for each of them null, or ``pool``, ``queue``
    and ``polled``, whether a worker looks for work there. Instead of all but ``client``: ``away``,
    why there is no answer of a Prefect server, or ``refused``, a status.
    """
    found: dict[str, Any] = {"client": prefect.__version__}
    try:
        with impatient_client() as client:
            began = time.time()
            date = client.hello().headers.get("date")
            if date is not None:
                found["sent"] = (began + time.time()) / 2
                found["date"] = parsedate_to_datetime(date).timestamp()
            found["server"] = client.api_version()
            found["deployments"] = {name: _deployment(client, name) for name in deployments}
    except PrefectHTTPStatusError as error:
        status = error.response.status_code
        found["refused" if status in REFUSALS else "away"] = f"status {status}"
    except Exception as error:  # of the connection, or no JSON: another kind of server
        found["away"] = redacted(f"{type(error).__name__}: {error}".partition("\n")[0])
    return found


def _deployment(client: SyncPrefectClient, name: str) -> dict[str, Any] | None:
    try:
        deployment = client.read_deployment_by_name(name)
    except ObjectNotFound:
        return None
    assert deployment.work_queue_id is not None
    queue = client.read_work_queue(deployment.work_queue_id)
    return {
        "pool": deployment.work_pool_name,
        "queue": deployment.work_queue_name,
        "polled": queue.status is not None and queue.status.name == "READY",
    }


if __name__ == "__main__":
    print(json.dumps(server_facts(sys.argv[1:])))
