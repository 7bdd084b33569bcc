"""The index of a remote backup, copy.json: the files that belong together, and their keys.

A file in the index never changes and is deleted only after the next index is written, so an
interrupted sync leaves the previous backup intact. Therefore a checkpoint has a prefix with its
manifest's sha256, a preview one with its restart index, and telemetry is stored in segments.
"""

import hashlib
import json
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from dvdgan.errors import UserError, redacted
from dvdgan.guard.ledger import Event, parse, restart_index_of
from dvdgan.guard.run_folder import MANIFEST, SAFE, step_name, step_of
from dvdgan.storage.store import Store

INDEX = "copy.json"
KEYS = {"ledger", "checkpoints", "telemetry"}
TELEMETRY = "telemetry"
# A run of 300,000 steps has some 740 of them; about half of one is sent again at every change.
SEGMENT_BYTES = 256 << 10


class RunChangedError(Exception):
    """A file of the run was cut or replaced while it was read: read it again."""


@dataclass(frozen=True)
class Segments:
    """One file of telemetry in a backup: segments of SEGMENT_BYTES, so that it is sent once.

    A segment is named after its number and its sha256 and never changes. While the file grows only
    its last segment is sent again; where a rollback has rewritten the end of the file, only what
    differs.
    """

    size: int = 0
    """Bytes of the file."""
    names: tuple[str, ...] = ()
    """The segments in order."""

    @classmethod
    def of(cls, path: Path) -> "Segments":
        """The whole lines of ``path``, none if there is no file. Raises RunChangedError."""
        if not path.exists():
            return cls()
        with path.open("rb") as file:
            size = _end_of_whole_lines(file)
            starts = enumerate(range(0, size, SEGMENT_BYTES))
            names = [_segment_name(number, _read(file, start, size)) for number, start in starts]
        return cls(size, tuple(names))

    def keys(self, file: str) -> list[str]:
        """The keys of the segments of ``file``."""
        return [f"{TELEMETRY}/{file}/{name}" for name in self.names]

    def send(self, path: Path, store: Store, present: Collection[str]) -> None:
        """Write those that are not ``present``. Raises RunChangedError, and what ``store`` does."""
        missing = [each for each in enumerate(self.keys(path.name)) if each[1] not in present]
        if not missing:
            return
        with path.open("rb") as file:
            for number, key in missing:
                data = _read(file, number * SEGMENT_BYTES, self.size)
                if _segment_name(number, data) != self.names[number]:
                    raise RunChangedError(f"{path} was rewritten while it was sent")
                store.write_bytes(key, data)

    def read(self, file: str, store: Store) -> Iterator[bytes]:
        """The content of ``file``, one segment at a time. Raises ValueError: one is damaged."""
        for number, key in enumerate(self.keys(file)):
            data = store.read_bytes(key)
            if _segment_name(number, data) != self.names[number]:
                raise ValueError(f"{key} does not have the sha256 in its name")
            yield data


@dataclass(frozen=True)
class BackupIndex:
    """The contents of a backup."""

    ledger: bytes = b""
    """Its lines."""
    checkpoints: Mapping[int, str] = field(default_factory=dict)
    """Step -> sha256 of the checkpoint's manifest."""
    telemetry: Mapping[str, Segments] | None = field(default_factory=dict)
    """File name -> segments; None in the first layout of version 0.1, which has whole files."""

    @classmethod
    def read(cls, store: Store) -> "BackupIndex":
        """The index of the backup in ``store``; an empty one if there is no backup.

        Raises ValueError if it cannot be read.
        """
        try:
            data = json.loads(store.read_bytes(INDEX))
        except FileNotFoundError:
            return cls()
        except RecursionError as error:
            raise ValueError(f"{INDEX} in {store} is nested too deep") from error
        if not isinstance(data, dict) or not KEYS - {"telemetry"} <= data.keys() <= KEYS:
            raise ValueError(f"{INDEX} in {store} is not what this program writes")
        try:
            checkpoints = {
                step_of(Path(name)): str(sha) for name, sha in data["checkpoints"].items()
            }
            telemetry = None
            if "telemetry" in data:
                telemetry = {
                    name: Segments(int(each["size"]), tuple(map(str, each["segments"])))
                    for name, each in data["telemetry"].items()
                }
            return cls(data["ledger"].encode(), checkpoints, telemetry)
        except (AttributeError, KeyError, OverflowError, TypeError) as error:
            raise ValueError(f"{INDEX} in {store} has no such values: {error!r}") from error

    def write(self, store: Store) -> None:
        data = {
            "ledger": self.ledger.decode(),
            "checkpoints": {step_name(step): sha256 for step, sha256 in self.checkpoints.items()},
            "telemetry": {
                name: {"size": each.size, "segments": each.names}
                for name, each in (self.telemetry or {}).items()
            },
        }
        store.write_bytes(INDEX, json.dumps(data, indent=2, sort_keys=True).encode())

    def unreferenced_keys(self, keys: Collection[str]) -> list[str]:
        """Those of ``keys`` that belong to an earlier index.

        Manifests come first: a checkpoint that is deleted in part is invalid.
        """
        events, telemetry = parse(self.ledger), self.telemetry or {}
        segments = {key for name, each in telemetry.items() for key in each.keys(name)}
        prefixes = {
            checkpoint_prefix(step, sha256, keys) for step, sha256 in self.checkpoints.items()
        }
        gone = [
            key
            for key in keys
            if key not in segments
            and key.rpartition("/")[0] not in prefixes
            and not self._stays(key, events)
        ]
        return sorted(gone, key=lambda key: (not key.endswith(f"/{MANIFEST}"), key))

    def _stays(self, key: str, events: list[Event]) -> bool:
        """Whether ``key``, which the index does not name, stays all the same."""
        kind, _, name = key.partition("/")
        if kind == "checkpoints" and Path(name).suffix not in SAFE:
            return True  # a user's file
        if kind == "samples":
            return key == preview_key(name.rpartition("/")[2], events)
        return kind not in ("checkpoints", TELEMETRY, *(self.telemetry or {}))


def claim(store: Store) -> None:
    """Start a backup in ``store`` unless there is one.

    Raises UserError if it holds other files, which are not replaced.
    """
    keys = store.keys()
    if INDEX in keys:
        return
    if keys:
        raise UserError(
            "the location of this run's backup contains other files: "
            f"{', '.join(sorted(keys)[:3])}",
            where=str(store),
            todo="move them away, or set another stores.backup (DVDGAN_BACKUP)",
        )
    BackupIndex().write(store)


def checkpoint_prefix(step: int, sha256: str, keys: Collection[str]) -> str:
    """Below which of ``keys`` a checkpoint lies whose manifest has ``sha256``.

    The first layout had one prefix a step.
    """
    prefix, first = new_prefix(step, sha256), first_prefix(step)
    is_first = f"{prefix}/{MANIFEST}" not in keys and f"{first}/{MANIFEST}" in keys
    return first if is_first else prefix


def new_prefix(step: int, sha256: str) -> str:
    return f"checkpoints/{step_name(step)}/{sha256[:16]}"


def first_prefix(step: int) -> str:
    return f"checkpoints/{step_name(step)}"


def preview_key(name: str, events: list[Event]) -> str:
    """The key of the preview ``name``; the same step after another restart has another key."""
    return f"samples/{restart_index_of(events, step_of(Path(name)))}/{name}"


def earliest_rollback_step(lines: bytes) -> float:
    """The earliest step that the ledger's ``lines`` roll back to, infinity where they do not.

    Checkpoints of later steps that were saved before are void.
    """
    steps = [event["to_step"] for event in parse(lines) if event["event"] == "rolled_back"]
    return min(steps, default=float("inf"))


def log(line: str) -> None:
    """Print a line about the backup to stderr, without credentials."""
    print(redacted(f"backup: {line}"), file=sys.stderr, flush=True)


def _segment_name(number: int, data: bytes) -> str:
    return f"{number:06d}-{hashlib.sha256(data).hexdigest()}"


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    length = min(SEGMENT_BYTES, end - start)
    data = file.read(length)
    if len(data) != length:
        raise RunChangedError(f"{file.name} became shorter while it was read")
    return data


def _end_of_whole_lines(file: BinaryIO) -> int:
    """Where the last line that is not cut off ends."""
    start = file.seek(0, os.SEEK_END)
    while start > 0:
        start = max(start - SEGMENT_BYTES, 0)
        file.seek(start)
        newline = file.read(SEGMENT_BYTES).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
    return 0
