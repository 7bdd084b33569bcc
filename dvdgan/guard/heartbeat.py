"""Heartbeats: files on a common file system that show processes on many hosts who is alive.

Each file has one writer, which rewrites it every HEARTBEAT_SECONDS, and any number of readers.
Clocks of two hosts are never compared: a reader counts for how long it has seen nothing new.
"""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from dvdgan.storage.local import read_json

HEARTBEAT_SECONDS = 1.0


class Heartbeat:
    """Writes ``contents`` and a running number to ``path``, from entering to leaving the block.

    A file system that is away for a while does not stop the process: the next heartbeat tries
    again.
    """

    def __init__(self, path: Path, **contents: Any) -> None:
        self._path, self._contents = path, contents
        self._number = 0
        self._lock, self._leaving = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._work, name=path.name, daemon=True)

    def update(self, **contents: Any) -> None:
        """Change some of the contents and write all of them now."""
        with self._lock:
            self._contents |= contents
            self._write()

    def __enter__(self) -> "Heartbeat":
        self.update()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._leaving.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._leaving.wait(HEARTBEAT_SECONDS):
            try:
                self.update()
            except OSError:
                continue

    def _write(self) -> None:
        self._number += 1
        self._path.parent.mkdir(parents=True, exist_ok=True)
        aside = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        # Renamed, so that nobody reads half of it; not flushed to disk: it outlives no power cut.
        aside.write_text(json.dumps(self._contents | {"number": self._number}), encoding="utf-8")
        aside.replace(self._path)


class HeartbeatReader:
    """Reads what one Heartbeat writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._newest: dict[str, Any] = {}
        self._last_seen = time.monotonic()

    def read(self) -> dict[str, Any]:
        """The contents, as last read; {} before there were any."""
        try:
            contents = read_json(self._path)
        except (OSError, ValueError):  # not there yet, or the file system is away
            return self._newest
        if contents != self._newest:
            self._newest, self._last_seen = contents, time.monotonic()
        return self._newest

    def seconds_since_last_seen(self) -> float:
        """Seconds since something new was read, or since the beginning where nothing was."""
        return time.monotonic() - self._last_seen
