"""A run's copy in a store: kept equal to the run folder, and of one piece at every moment.

What belongs together is listed in one file (guard/backup_index.py), written when all of it is
there. A checkpoint is listed with the sha256 of its manifest, so that one of another attempt is not
taken for it.
"""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from dvdgan.errors import UserError, redacted
from dvdgan.guard.backup_index import LISTING, BackupIndex, first_place, new_place, preview_place
from dvdgan.guard.environment import RunEnvironment
from dvdgan.guard.ledger import Event, parse, whole_lines
from dvdgan.guard.retention import kept
from dvdgan.guard.run_folder import MANIFEST, RunFolder, read_manifest, verify_checkpoint
from dvdgan.guard.segments import RunChangedError, Segments
from dvdgan.storage.store import Store


class OtherHistoryError(Exception):
    """The copy tells of events that this run folder does not know: it is not overwritten."""


def claim(store: Store) -> None:
    """Begin a copy in ``store`` unless there is one.

    Raises UserError where it holds files but no copy: they are not replaced.
    """
    keys = store.keys()
    if LISTING in keys:
        return
    if keys:
        raise UserError(
            f"the mirror's place for this run holds other files: {', '.join(sorted(keys)[:3])}",
            where=str(store),
            todo="move them away, or name another store in DVDGAN_BACKUP",
        )
    BackupIndex().write(store)


class RemoteBackup:
    """The copy of ``run`` in ``store``, which is the copy's alone; see `update`."""

    def __init__(self, run: RunFolder, store: Store, environment: RunEnvironment) -> None:
        self._run, self._store, self._environment = run, store, environment
        self._sent: dict[str, tuple[int, int]] = {}  # of small files: time and size when sent
        self._named: set[int] = set()

    def update(self) -> None:
        """Make the copy equal to what is worth keeping of the run.

        Raises StoreUnavailableError, UserError, as `claim` does, too, OtherHistoryError;
        RunChangedError or FileNotFoundError where a file was rewritten or deleted meanwhile.
        Whatever it raises, `update` again goes on from there.
        """
        claim(self._store)
        old, keys = BackupIndex.read(self._store), set(self._store.keys())
        ledger, steps, telemetry = _look(self._run)
        if not ledger.startswith(old.ledger):
            raise OtherHistoryError(
                f"{self._store} holds a later or another history of this run; it is left alone"
            )
        events, back = parse(ledger), earliest_rollback_step(ledger[len(old.ledger) :])
        for name, segments in telemetry.items():
            segments.send(self._run.root / name, self._store, keys)
        self._send_small_files(events)
        sent = {step: self._send(keys, step, old) for step in steps}
        present = {step: sha256 for step, sha256 in sent.items() if sha256 is not None}
        stay = kept(
            events,
            {step for step in old.checkpoints if step <= back} | present.keys(),
            self._environment.keep_last,
            self._environment.keep_every,
        )
        # On a new machine not all of the copy's checkpoints were fetched: they stay all the same.
        held = {step: sha256 for step, sha256 in old.checkpoints.items() if step in stay}
        new = BackupIndex(ledger, held | present, telemetry)
        if new != old:
            self._store.write_bytes(self._run.ledger.name, ledger)  # to be read by people
            new.write(self._store)
        for key in new.unreferenced(keys):
            self._store.delete(key)

    def _send_small_files(self, events: list[Event]) -> None:
        for key, path in _small_files(self._run, events):
            stamp = path.stat().st_mtime_ns, path.stat().st_size
            if self._sent.get(key) != stamp:
                self._store.put(path, key)
                self._sent[key] = stamp

    def _send(self, keys: set[str], step: int, old: BackupIndex) -> str | None:
        """Send a checkpoint unless it is there, its manifest last.

        Returns the sha256 of its manifest, None where the checkpoint is damaged; its manifest joins
        ``keys``.
        """
        folder = self._run.checkpoint(step)
        manifest = (folder / MANIFEST).read_bytes()
        sha256 = digest(manifest)
        place = new_place(step, sha256)
        in_first = old.checkpoints.get(step) == sha256 and f"{first_place(step)}/{MANIFEST}" in keys
        if in_first or f"{place}/{MANIFEST}" in keys:
            return sha256
        problem = verify_checkpoint(folder)
        if problem is not None:
            if not folder.exists():
                raise FileNotFoundError(folder)
            if step not in self._named:
                say(f"checkpoint {folder.name} is damaged and not copied: {problem}")
                self._named.add(step)
            return None
        for file in read_manifest(folder):
            self._store.put(folder / file, f"{place}/{file}")
        if (folder / MANIFEST).read_bytes() != manifest:
            raise RunChangedError(f"{folder} was replaced while it was copied")
        self._store.write_bytes(f"{place}/{MANIFEST}", manifest)
        keys.add(f"{place}/{MANIFEST}")
        return sha256


def earliest_rollback_step(lines: bytes) -> float:
    """The earliest step the ledger's ``lines`` go back to: later checkpoints of before are void."""
    steps = [event["to_step"] for event in parse(lines) if event["event"] == "rolled_back"]
    return min(steps, default=float("inf"))


def say(line: str) -> None:
    print(redacted(f"mirror: {line}"), file=sys.stderr, flush=True)


def _look(run: RunFolder) -> tuple[bytes, list[int], dict[str, Segments]]:
    """Ledger, saved steps and telemetry of one moment, between two events of the ledger.

    Telemetry is read after the steps, so that it reaches at least as far.
    """
    while True:
        ledger, steps = whole_lines(run.ledger), run.saved_steps()
        telemetry = {path.name: Segments.of(path) for path in run.telemetry}
        if whole_lines(run.ledger) == ledger:
            return ledger, steps, telemetry


def _small_files(run: RunFolder, events: list[Event]) -> Iterator[tuple[str, Path]]:
    """Key and path of each."""
    for path in (run.settings, run.provenance):
        if path.exists():
            yield path.name, path
    for suffix in ("png", "mp4"):
        for path in sorted(run.samples.glob(f"step-*.{suffix}")):
            yield preview_place(path.name, events), path
    for path in sorted(run.root.glob("evaluations/*/step-*.json")):
        yield path.relative_to(run.root).as_posix(), path


def digest(data: bytes) -> str:
    """sha256 in hex."""
    return hashlib.sha256(data).hexdigest()
