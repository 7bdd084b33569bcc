"""A folder as an S3 bucket for reading: GET with ranges and HEAD, each answered after a delay.

    python benchmarks/object_server.py FOLDER SECONDS

Prints its port and serves http://127.0.0.1:PORT/BUCKET/KEY until it is stopped, any BUCKET. No
signature is looked at.
"""

import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dvdgan.guard.parent_death_signal import set_parent_death_signal

ABSENT = b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>"


class Objects(BaseHTTPRequestHandler):
    """Answers for the files of ``folder``."""

    protocol_version = "HTTP/1.1"
    # Else every answer waits for the client's acknowledgement of its head.
    disable_nagle_algorithm = True
    wbufsize = -1
    folder: Path
    delay: float

    def do_GET(self) -> None:
        time.sleep(self.delay)
        file = self.folder / unquote(urlsplit(self.path).path).partition("/")[2].partition("/")[2]
        if not file.is_file():
            return self._answer(404, ABSENT, len(ABSENT))
        size = file.stat().st_size
        requested = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(requested[1]) if requested else 0
        last = min(int(requested[2] or size) if requested else size, size - 1)
        with file.open("rb") as opened:
            opened.seek(first)
            body = b"" if self.command == "HEAD" else opened.read(last + 1 - first)
        return self._answer(
            206 if requested else 200, body, last + 1 - first, f"{first}-{last}/{size}"
        )

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: bytes, length: int, part: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", '"constant"')
        if status == 206:
            self.send_header("Content-Range", f"bytes {part}")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def main() -> None:
    """Serve until killed, or until the parent ends."""
    set_parent_death_signal()
    Objects.folder, Objects.delay = Path(sys.argv[1]), float(sys.argv[2])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Objects)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
