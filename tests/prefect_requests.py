"""Requests to a Prefect server, repeated like those of Prefect's client."""

import time
import urllib.error
import urllib.request

BUSY = (429, 502, 503)
ATTEMPTS, PAUSE_SECONDS = 5, 2.0


def answer_of(request: urllib.request.Request) -> bytes:
    """The body of the answer. A server whose database is busy is asked again, five times in all."""
    for _ in range(ATTEMPTS - 1):
        try:
            return _answer(request)
        except urllib.error.HTTPError as error:
            if error.code not in BUSY:
                raise
        time.sleep(PAUSE_SECONDS)
    return _answer(request)


def _answer(request: urllib.request.Request) -> bytes:
    with urllib.request.urlopen(request, timeout=60) as answer:
        content: bytes = answer.read()
        return content
