"""A proxy before an S3 server that misbehaves as told, and keeps count of what went through.

It also lacks what not every server has: the conditional PUT, and the deletion of many at once.
"""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, cycle
from urllib.parse import parse_qs, urlsplit

HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "expect"}


@dataclass
class Behaviour:
    """What the proxy does: ``harm`` names a harm for a request (method, path), or None.

    A harm is `hang`, `cut upload`, `flip` (a byte of the upload), `cut download`, `flip download`,
    `slow download` (half of it 0.5 s later), or a status and S3's name of an error: `503 SlowDown`.
    """

    harm: Callable[[str, str], str | None] = lambda method, path: None
    requests: Counter[str] = field(default_factory=Counter)
    parts: list[int] = field(default_factory=list)
    """Numbers of the parts of uploads that arrived."""
    sent_bytes: int = 0
    """Of bodies that went to the server."""
    capitals: bool = False
    """Whether names of metadata are written as some servers do: X-Amz-Meta-Sha256."""
    address: str = ""
    """Of the proxy."""


class Handler(BaseHTTPRequestHandler):
    """Passes a request on, unless told to do harm to it."""

    protocol_version = "HTTP/1.1"
    behind: tuple[str, int]
    told: Behaviour
    pause = 0.0

    def handle_any(self) -> None:
        self.told.requests[self.command] += 1
        harm = self.told.harm(self.command, self.path)
        if harm == "hang":
            time.sleep(3)
        if harm == "cut upload":
            self.rfile.read(1000)
        if harm in ("hang", "cut upload"):
            self.close_connection = True
            return
        body = self._body()
        if self._is_beyond_this_server():
            harm = "501 NotImplemented"
        if harm is not None and harm[0].isdigit():
            status, code, *facts = harm.split()
            told = "".join(f"<{name}>{value}</{name}>" for name, value in pairs(facts))
            error = f"<Error><Code>{code}</Code><Message>told so</Message>{told}</Error>"
            region = [("x-amz-bucket-region", value) for name, value in pairs(facts)]
            self._answer(int(status), region, error.encode())
            return
        if harm == "flip" and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        status, headers, answer = self._pass_on(body)
        number = parse_qs(urlsplit(self.path).query).get("partNumber")
        if number and self.command == "PUT" and status == 200:
            self.told.parts.append(int(number[0]))
        if harm == "flip download" and answer:
            answer = bytes([answer[0] ^ 1]) + answer[1:]
        self.pause = 0.5 if harm == "slow download" else 0.0
        self._answer(status, headers, answer, len(answer) // 2 if harm == "cut download" else None)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _is_beyond_this_server(self) -> bool:
        conditional = self.command == "PUT" and {"If-Match", "If-None-Match"} & set(self.headers)
        many = self.command == "POST" and "delete" in parse_qs(
            urlsplit(self.path).query, keep_blank_values=True
        )
        return bool(conditional or many)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _pass_on(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(*self.behind, timeout=30)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
        connection.request(self.command, self.path, body=body or None, headers=headers)
        answer = connection.getresponse()
        self.told.sent_bytes += len(body)
        found = answer.status, answer.getheaders(), answer.read()
        connection.close()
        return found

    def _answer(
        self, status: int, headers: list[tuple[str, str]], body: bytes, length: int | None = None
    ) -> None:
        self.send_response(status)
        names = {name.lower() for name, _ in headers}
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name.title() if self.told.capitals else name, value)
        if "content-length" not in names:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            body = body[:length]
            self.wfile.write(body[: len(body) // 2])
            time.sleep(self.pause)
            self.wfile.write(body[len(body) // 2 :])
        self.close_connection = length is not None


def pairs(facts: list[str]) -> list[list[str]]:
    """`Region=eu-west-1` -> the pair."""
    return [fact.split("=") for fact in facts]


@contextmanager
def flaky(address: str) -> Iterator[tuple[str, Behaviour]]:
    """Give the address of a proxy before ``address``, and the behaviour to set."""
    parts = urlsplit(address)
    behind = (parts.hostname, parts.port or 80)
    told = Behaviour()
    handler = type("Told", (Handler,), {"behind": behind, "told": told})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        told.address = f"http://127.0.0.1:{server.server_address[1]}"
        yield told.address, told
    finally:
        server.shutdown()
        server.server_close()


def every_third(*harms: str) -> Callable[[str, str], str | None]:
    """Do one of ``harms`` after another to every third GET."""
    reads, sequence, lock = count(1), cycle(harms), threading.Lock()

    def told(method: str, path: str) -> str | None:
        with lock:
            return next(sequence) if method == "GET" and next(reads) % 3 == 0 else None

    return told


def worst(harm: str, method: str, times: int = 10**9) -> Callable[[str, str], str | None]:
    """Do ``harm`` to the first ``times`` requests of ``method``."""
    left = [times]

    def told(asked: str, path: str) -> str | None:
        if asked == method and left[0] > 0:
            left[0] -= 1
            return harm
        return None

    return told
