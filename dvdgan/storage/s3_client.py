"""boto3's client for S3: patient with a server that has answered before, and silent about keys."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from boto3.session import Session
from botocore.config import Config

from dvdgan.errors import UserError
from dvdgan.storage.store import StoreUnavailableError

# Of a request to a server that has never answered: a second one, within a second or two.
FIRST_ATTEMPTS = 2
# Their debug lines quote session tokens and signatures.
TALKATIVE = ("boto3", "botocore", "s3transfer")

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class RetryPolicy:
    """Timeouts in seconds, attempts a request, bytes a part (S3: at least 5 MiB), connections."""

    connect_seconds: float = 10.0
    read_seconds: float = 60.0
    attempts: int = 6
    part_bytes: int = 16 << 20
    concurrency: int = 8
    connections: int = 32


class Contact:
    """Whether the server has answered yet.

    An address that does not answer is most likely wrong, and this is reported soon: the first
    request is sent FIRST_ATTEMPTS times. A server that has answered once is retried according to
    RetryPolicy.
    """

    def __init__(self) -> None:
        self.made = False

    def after_attempt(
        self,
        response: object,
        attempts: int,
        caught_exception: Exception | None,
        **_: Any,
    ) -> None:
        """What botocore calls after each attempt; an exception raised here ends the request."""
        if response is not None:
            self.made = True
        elif not self.made and attempts >= FIRST_ATTEMPTS and caught_exception is not None:
            raise caught_exception


def make_client(policy: RetryPolicy, contact: Contact) -> Any:
    """A client by boto3's ordinary settings. Raises UserError for an endpoint that is not a URL."""
    for name in TALKATIVE:
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(logging.INFO)
    config = Config(
        connect_timeout=policy.connect_seconds,
        read_timeout=policy.read_seconds,
        retries={"mode": "adaptive", "total_max_attempts": policy.attempts},
        max_pool_connections=policy.connections,
        response_checksum_validation="when_required",
    )
    try:
        client = Session().client("s3", config=config)
    except ValueError as error:
        raise UserError(
            str(error), where="AWS_ENDPOINT_URL", todo="set it to a URL, or unset it"
        ) from None
    client.meta.events.register_first("needs-retry.s3", contact.after_attempt)
    return client


def retried(
    attempt: Callable[[], ResultT], attempts: int, worthwhile: Callable[[], bool]
) -> ResultT:
    """The result of ``attempt``; after StoreUnavailableError again, up to ``attempts`` in all.

    botocore retries requests, not bodies that are cut off.
    """
    for number in range(1, attempts):
        try:
            return attempt()
        except StoreUnavailableError:
            if not worthwhile():
                raise
            time.sleep(random.uniform(0, min(0.05 * 2**number, 20.0)))
    return attempt()
