"""The listing of a run's copy, copy.json: what belongs together, and where it lies in the store.

What it names never changes and is deleted only after the next listing is written: a copy that was
cut short is the one before it. So a checkpoint lies in a folder named after its manifest's sha256,
a preview in that of its attempt, and telemetry in segments.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dvdgan.guard.ledger import Event, parse, restart_index_of
from dvdgan.guard.run_folder import MANIFEST, SAFE, step_name, step_of
from dvdgan.guard.segments import TELEMETRY, Segments
from dvdgan.storage.store import Store

LISTING = "copy.json"
KEYS = {"ledger", "checkpoints", "telemetry"}


@dataclass(frozen=True)
class BackupIndex:
    """What a copy holds. ``ledger``: its lines; ``checkpoints``: step -> sha256 of its manifest;
    ``telemetry``: file name -> segments, None in a copy of version 0.1's first layout."""

    ledger: bytes = b""
    checkpoints: Mapping[int, str] = field(default_factory=dict)
    telemetry: Mapping[str, Segments] | None = field(default_factory=dict)

    @classmethod
    def read(cls, store: Store) -> "BackupIndex":
        """Those of the copy in ``store``, nothing where there is none. ValueError: unreadable."""
        try:
            told = json.loads(store.read_bytes(LISTING))
        except FileNotFoundError:
            return cls()
        if not isinstance(told, dict) or not KEYS - {"telemetry"} <= told.keys() <= KEYS:
            raise ValueError(f"{LISTING} in {store} is not what this program writes")
        checkpoints = {step_of(Path(name)): sha256 for name, sha256 in told["checkpoints"].items()}
        telemetry = None
        if "telemetry" in told:
            telemetry = {
                name: Segments(each["size"], tuple(each["segments"]))
                for name, each in told["telemetry"].items()
            }
        return cls(told["ledger"].encode(), checkpoints, telemetry)

    def write(self, store: Store) -> None:
        told = {
            "ledger": self.ledger.decode(),
            "checkpoints": {step_name(step): sha256 for step, sha256 in self.checkpoints.items()},
            "telemetry": {
                name: {"size": each.size, "segments": each.names}
                for name, each in (self.telemetry or {}).items()
            },
        }
        store.write_bytes(LISTING, json.dumps(told, indent=2, sort_keys=True).encode())

    def unreferenced(self, keys: Collection[str]) -> list[str]:
        """Those of ``keys`` that are of another moment; manifests first, so that a checkpoint that
        is deleted in part is none."""
        events = parse(self.ledger)
        listed = {key for name, each in (self.telemetry or {}).items() for key in each.keys(name)}
        places = {place_of(step, sha256, keys) for step, sha256 in self.checkpoints.items()}
        kept = {key for key in keys if key.rpartition("/")[0] in places} | listed
        gone = [
            key for key in keys if key not in kept and not _stays(key, events, self.telemetry or {})
        ]
        return sorted(gone, key=lambda key: (not key.endswith(f"/{MANIFEST}"), key))


def place_of(step: int, sha256: str, keys: Collection[str]) -> str:
    """Where a checkpoint lies, by its manifest's ``sha256``; the first layout had one a step."""
    place, first = new_place(step, sha256), first_place(step)
    is_first = f"{place}/{MANIFEST}" not in keys and f"{first}/{MANIFEST}" in keys
    return first if is_first else place


def new_place(step: int, sha256: str) -> str:
    return f"checkpoints/{step_name(step)}/{sha256[:16]}"


def first_place(step: int) -> str:
    return f"checkpoints/{step_name(step)}"


def preview_place(name: str, events: list[Event]) -> str:
    """The key of the preview ``name``; one that is drawn again in a later attempt has another."""
    return f"samples/{restart_index_of(events, step_of(Path(name)))}/{name}"


def _stays(key: str, events: list[Event], telemetry: Mapping[str, Segments]) -> bool:
    """Whether ``key``, which the listing does not name, belongs to the copy all the same."""
    kind, _, name = key.partition("/")
    if kind == "checkpoints" and Path(name).suffix not in SAFE:
        return True  # somebody else's
    if kind == "samples":
        return key == preview_place(name.rpartition("/")[2], events)
    return kind not in ("checkpoints", TELEMETRY, *telemetry)
