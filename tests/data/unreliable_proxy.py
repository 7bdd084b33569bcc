"""A proxy before an S3 server that answers some reads badly: an error, or half of the bytes."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}


class Proxy(BaseHTTPRequestHandler):
    """Every third GET is answered 503, or with its length and half of its body, by turns."""

    protocol_version = "HTTP/1.1"
    behind: tuple[str, int]
    reads: int
    failures: int
    lock: threading.Lock

    def do_GET(self) -> None:
        with self.lock:
            type(self).reads += 1
            failing = self.reads % 3 == 0
            type(self).failures += failing
            silent = self.failures % 2
        if failing and silent:
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._forward(0.5 if failing else 1.0)

    def do_HEAD(self) -> None:
        self._forward(1.0)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _forward(self, part: float) -> None:
        connection = http.client.HTTPConnection(*self.behind, timeout=30)
        connection.request(self.command, self.path, headers=dict(self.headers))
        answer = connection.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: int(len(body) * part)])
        connection.close()
        self.close_connection = part < 1


@contextmanager
def unreliable(host: str, port: int) -> Iterator[tuple[str, type[Proxy]]]:
    """Give the proxy's address, and the class that counts its reads and failures."""
    state = {"behind": (host, port), "reads": 0, "failures": 0, "lock": threading.Lock()}
    counting = type("CountingProxy", (Proxy,), state)
    server = ThreadingHTTPServer(("127.0.0.1", 0), counting)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", counting
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
