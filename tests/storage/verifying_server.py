"""An S3 server that answers ranges of objects, and only requests whose signature it has computed.

Signature Version 4, after AWS's description; nothing of botocore is used.
"""

import hashlib
import hmac
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

SCHEME = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(.+), SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)


@dataclass
class Account:
    """A secret, the objects by path, and the headers of the requests that were accepted."""

    secret: str
    objects: dict[str, bytes]
    accepted: list[Mapping[str, str]] = field(default_factory=list)
    refused: int = 0


def signature_of(method: str, path: str, headers: Mapping[str, str], secret: str) -> str | None:
    """The signature that belongs to these headers, whose names are in lower case."""
    match = SCHEME.fullmatch(headers.get("authorization", ""))
    if match is None:
        return None
    scope = match[1].split("/", 1)[1]
    canonical = "\n".join(
        [
            *(method, path, ""),
            *(f"{name}:{' '.join(headers[name].split())}" for name in match[2].split(";")),
            *("", match[2], headers["x-amz-content-sha256"]),
        ]
    )
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{digest}"
    return hmac.digest(key, text.encode(), "sha256").hex()


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD for an account."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    account: Account

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        expected = signature_of(self.command, self.path, headers, self.account.secret)
        if expected is None or not headers["authorization"].endswith(f"Signature={expected}"):
            self.account.refused += 1
            return self._answer(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        self.account.accepted.append(headers)
        data = self.account.objects[unquote(self.path)]
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", headers.get("range", ""))
        if match is None:
            return self._answer(200, data)
        return self._answer(206, data[int(match[1]) : int(match[2]) + 1])

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def verifying_server(account: Account, tls: ssl.SSLContext | None) -> Iterator[int]:
    """Give the port of a server of ``account`` on this machine."""
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Verifying", (Handler,), {"account": account})
    )
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
