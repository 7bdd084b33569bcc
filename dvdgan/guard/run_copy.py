"""A run's copy in a store: kept equal to the run folder, and of one piece at every moment.

What belongs together stands in one file, copy.json: the ledger, and the checkpoints that go with
it. It is written when they are all there, and nothing it names is deleted before the next one is: a
copy that was cut short is the one before it. A checkpoint is named with the sha256 of its manifest,
so that one of another attempt, written over it, is not taken for it.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dvdgan.guard.environment import RunEnvironment
from dvdgan.guard.ledger import parse, whole_lines
from dvdgan.guard.retention import kept
from dvdgan.guard.run_folder import MANIFEST, RunFolder, damage, read_manifest, step_name, step_of
from dvdgan.storage.local import sha256_of_file
from dvdgan.storage.store import Store

CONTENTS = "copy.json"


class OtherHistoryError(Exception):
    """The copy tells of events that this run folder does not know: it is not overwritten."""


@dataclass(frozen=True)
class Contents:
    """What a copy holds. ``ledger``: its lines; ``checkpoints``: step -> sha256 of its manifest."""

    ledger: bytes = b""
    checkpoints: dict[int, str] = field(default_factory=dict)

    @classmethod
    def read(cls, store: Store, keys: list[str]) -> "Contents":
        """Those of the copy in ``store``, which holds ``keys``. Raises ValueError if unreadable."""
        if CONTENTS not in keys:
            return cls()
        told = json.loads(store.read_bytes(CONTENTS))
        if not isinstance(told, dict) or told.keys() != {"ledger", "checkpoints"}:
            raise ValueError(f"{CONTENTS} in {store} is not what this program writes")
        checkpoints = {step_of(Path(name)): sha256 for name, sha256 in told["checkpoints"].items()}
        return cls(told["ledger"].encode(), checkpoints)

    def write(self, store: Store) -> None:
        checkpoints = {step_name(step): sha256 for step, sha256 in self.checkpoints.items()}
        told = {"ledger": self.ledger.decode(), "checkpoints": checkpoints}
        store.write_bytes(CONTENTS, json.dumps(told, indent=2, sort_keys=True).encode())


class RunCopy:
    """The copy of ``run`` in ``store``, which is the copy's alone; see `update`."""

    def __init__(self, run: RunFolder, store: Store, environment: RunEnvironment) -> None:
        self._run, self._store, self._environment = run, store, environment
        self._sent: dict[str, tuple[int, int]] = {}  # of small files: time and size when sent
        self._named: set[int] = set()

    def update(self) -> None:
        """Make the copy equal to what is worth keeping of the run.

        Raises StoreUnavailableError, UserError, OtherHistoryError; FileNotFoundError where a
        checkpoint was deleted meanwhile. Whatever it raises, `update` again goes on from there.
        """
        keys = self._store.keys()
        old = Contents.read(self._store, keys)
        ledger, steps, lines = _look(self._run)
        if not ledger.startswith(old.ledger):
            raise OtherHistoryError(
                f"{self._store} holds a later or another history of this run; it is left alone"
            )
        back = went_back(ledger[len(old.ledger) :])
        # Metrics and previews of the new course are about to take the place of the old one's.
        for step in old.checkpoints:
            if step > back:
                self._delete(keys, step)
        self._send_small_files(lines)
        present = {step for step in steps if self._send(keys, step, old)}
        stay = kept(
            parse(ledger),
            {step for step in old.checkpoints if step <= back} | present,
            self._environment.keep_last,
            self._environment.keep_every,
        )
        # On a new machine not all of the copy's checkpoints were fetched: they stay all the same.
        held = {step: sum_ for step, sum_ in old.checkpoints.items() if step in stay}
        new = Contents(ledger, held | {step: self._sum_of(step) for step in present})
        if new != old:
            new.write(self._store)
            self._store.write_bytes(self._run.ledger.name, ledger)  # to be read by people
        for gone in {_step_in(key) for key in keys} - {None} - new.checkpoints.keys():
            self._delete(keys, gone)

    def _send_small_files(self, lines: dict[str, bytes]) -> None:
        for name, content in lines.items():
            self._store.write_bytes(name, content)
        for path in _small_files(self._run):
            key = path.relative_to(self._run.root).as_posix()
            stamp = path.stat().st_mtime_ns, path.stat().st_size
            if self._sent.get(key) != stamp:
                self._store.put(path, key)
                self._sent[key] = stamp

    def _send(self, keys: list[str], step: int, old: Contents) -> bool:
        """Send a checkpoint unless it is there, its manifest last. Whether it is there now."""
        folder, name = self._run.checkpoint(step), f"checkpoints/{step_name(step)}"
        there = f"{name}/{MANIFEST}" in keys
        if there and old.checkpoints.get(step) == self._sum_of(step):
            return True
        problem = damage(folder)
        if problem is not None:
            if not folder.exists():
                raise FileNotFoundError(folder)
            if step not in self._named:
                say(f"checkpoint {folder.name} is damaged and not copied: {problem}")
                self._named.add(step)
            return False
        if there:
            self._store.delete(f"{name}/{MANIFEST}")
        for file in [*read_manifest(folder), MANIFEST]:
            self._store.put(folder / file, f"{name}/{file}")
        return True

    def _sum_of(self, step: int) -> str:
        return sha256_of_file(self._run.checkpoint(step) / MANIFEST)

    def _delete(self, keys: list[str], step: int | None) -> None:
        """Delete what ``keys`` holds of a checkpoint, its manifest first."""
        mine = [key for key in keys if _step_in(key) == step]
        for key in sorted(mine, key=lambda key: not key.endswith(f"/{MANIFEST}")):
            self._store.delete(key)
            keys.remove(key)


def went_back(lines: bytes) -> float:
    """The earliest step the ledger's ``lines`` go back to: later checkpoints of before are void."""
    steps = [event["to_step"] for event in parse(lines) if event["event"] == "rolled_back"]
    return min(steps, default=float("inf"))


def say(line: str) -> None:
    print(f"mirror: {line}", file=sys.stderr, flush=True)


def _look(run: RunFolder) -> tuple[bytes, list[int], dict[str, bytes]]:
    """Ledger, saved steps and telemetry of one moment, between two events of the ledger.

    Telemetry is read after the steps, so that it reaches at least as far.
    """
    while True:
        ledger, steps = whole_lines(run.ledger), run.saved_steps()
        lines = {path.name: whole_lines(path) for path in run.telemetry}
        if whole_lines(run.ledger) == ledger:
            return ledger, steps, {name: content for name, content in lines.items() if content}


def _small_files(run: RunFolder) -> Iterator[Path]:
    yield from (path for path in (run.settings, run.provenance) if path.exists())
    for suffix in ("png", "mp4"):
        yield from sorted(run.samples.glob(f"step-*.{suffix}"))
    yield from sorted(run.root.glob("evaluations/*/step-*.json"))


def _step_in(key: str) -> int | None:
    """The step of a checkpoint's key; None for other keys."""
    parts = key.split("/")
    if len(parts) != 3 or parts[0] != "checkpoints":
        return None
    digits = parts[1].removeprefix("step-")
    return int(digits) if digits.isdecimal() else None


def digest(data: bytes) -> str:
    """sha256 in hex."""
    return hashlib.sha256(data).hexdigest()
