"""The remote backup of a run in a store: always complete, and never a disturbance to the run.

A thread syncs it with the run folder. What belongs together is listed in one file
(guard/backup_index.py), which is written when all of it is there. A checkpoint is listed with the
sha256 of its manifest, so that the same step after another restart is not taken for it.
"""

import hashlib
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dvdgan.errors import UserError
from dvdgan.guard.backup_index import (
    BackupIndex,
    RunChangedError,
    Segments,
    claim,
    earliest_rollback_step,
    first_prefix,
    log,
    new_prefix,
    preview_key,
)
from dvdgan.guard.ledger import Event, kept, parse, whole_lines
from dvdgan.guard.restore import restore
from dvdgan.guard.run_folder import MANIFEST, RunFolder, read_manifest, verify_checkpoint
from dvdgan.machine import Machine
from dvdgan.storage.open_store import open_store
from dvdgan.storage.store import Store, StoreUnavailableError

POLL_SECONDS = 2.0
# Between two syncs while the store is away.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 60.0
# For the last sync, which sends the last checkpoint.
LAST_SECONDS = 60.0


class OtherHistoryError(Exception):
    """The backup has events that this run folder does not know: it is not overwritten."""


@contextmanager
def backed_up(run: RunFolder, machine: Machine) -> Iterator[None]:
    """Restore ``run`` from its remote backup, and keep the backup up to date inside the block.

    Its location is DVDGAN_BACKUP/<name of the run folder>; without DVDGAN_BACKUP, nothing is done.
    Raises UserError before the block where the store rejects us; later, and whenever the store is
    away, it only prints a line. Leaving the block waits LAST_SECONDS for the last sync.
    """
    if machine.stores.backup is None:
        yield
        return
    store = open_store(
        f"{machine.stores.backup.rstrip('/')}/{run.root.name}",
        machine.stores.backup_bytes_per_second,
    )
    restore(run, store)
    thread = BackupThread(run, store, machine)
    try:
        yield
    finally:
        thread.finish(LAST_SECONDS)


class BackupThread:
    """Syncs the backup of ``run`` whenever there is a new event, checkpoint or preview."""

    def __init__(self, run: RunFolder, store: Store, machine: Machine) -> None:
        self._run, self._store = run, store
        self._backup = RemoteBackup(run, store, machine)
        self._closing, self._given_up = threading.Event(), threading.Event()
        self._failed = False
        self._thread = threading.Thread(target=self._work, name="backup", daemon=True)
        self._thread.start()

    def finish(self, seconds: float) -> None:
        """Sync for the last time; print a line when that does not end within ``seconds``."""
        self._closing.set()
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._given_up.set()
            log(
                f"the last sync to {self._store} did not end within {seconds:g} s; the same "
                "command uploads the rest"
            )

    def _work(self) -> None:
        synced = None
        wait = FIRST_WAIT_SECONDS
        while not self._given_up.is_set():
            closing = self._closing.is_set()  # before the state: nothing may be missed at the end
            state = self._state()
            if state == synced and not closing:
                self._closing.wait(POLL_SECONDS)
            elif self._sync():
                synced, wait = state, FIRST_WAIT_SECONDS
                if closing:
                    return
            else:
                # Random, since many runs would return to a store at the same time.
                pause = wait * random.uniform(0.5, 1.0)
                (self._given_up if closing else self._closing).wait(pause)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    def _sync(self) -> bool:
        """Whether it succeeded; a failure is reported when it begins and when it is over."""
        try:
            self._backup.sync()
        except (FileNotFoundError, RunChangedError):
            return False  # deleted or rewritten while it was sent: the next sync reads it again
        except (StoreUnavailableError, UserError, OtherHistoryError, OSError, ValueError) as error:
            if not self._failed:
                reason = error.what if isinstance(error, UserError) else error
                log(f"{reason}. Training continues, and the backup is retried")
            self._failed = True
            return False
        if self._failed:
            log(f"{self._store} is available again and up to date")
        self._failed = False
        return True

    def _state(self) -> object:
        """Equal as long as there is nothing new to send."""
        run = self._run
        ledger = run.ledger.stat().st_size if run.ledger.exists() else 0
        previews = run.samples.stat().st_mtime_ns if run.samples.exists() else 0
        return ledger, run.saved_steps(), previews


class RemoteBackup:
    """The backup of ``run`` in ``store``, which holds nothing else."""

    def __init__(self, run: RunFolder, store: Store, machine: Machine) -> None:
        self._run, self._store, self._machine = run, store, machine
        self._sent: dict[str, tuple[int, int]] = {}  # of small files: time and size when sent
        self._damaged: set[int] = set()

    def sync(self) -> None:
        """Make the backup equal to what is worth keeping of the run.

        Raises StoreUnavailableError; UserError, as `claim` does too; OtherHistoryError;
        RunChangedError or FileNotFoundError if a file was rewritten or deleted meanwhile.
        After any of them, the next `sync` continues from there.
        """
        claim(self._store)
        old, keys = BackupIndex.read(self._store), set(self._store.keys())
        ledger, steps, telemetry = _consistent_state(self._run)
        if not ledger.startswith(old.ledger):
            raise OtherHistoryError(
                f"{self._store} holds a later or different history of this run and is not changed"
            )
        events = parse(ledger)
        rollback_step = earliest_rollback_step(ledger[len(old.ledger) :])
        for name, segments in telemetry.items():
            segments.send(self._run.root / name, self._store, keys)
        self._send_small_files(events)
        sent = {step: self._send_checkpoint(keys, step, old) for step in steps}
        present = {step: sha256 for step, sha256 in sent.items() if sha256 is not None}
        stay = kept(
            events,
            {step for step in old.checkpoints if step <= rollback_step} | present.keys(),
            self._machine.retention.keep_last,
            self._machine.retention.keep_every,
        )
        # A new machine did not fetch all checkpoints of the backup: they stay all the same.
        before = {step: sha256 for step, sha256 in old.checkpoints.items() if step in stay}
        new = BackupIndex(ledger, before | present, telemetry)
        if new != old:
            self._store.write_bytes(self._run.ledger.name, ledger)  # for people to read
            new.write(self._store)
        for key in new.unreferenced_keys(keys):
            self._store.delete(key)

    def _send_small_files(self, events: list[Event]) -> None:
        for key, path in _small_files(self._run, events):
            stamp = path.stat().st_mtime_ns, path.stat().st_size
            if self._sent.get(key) != stamp:
                self._store.put(path, key)
                self._sent[key] = stamp

    def _send_checkpoint(self, keys: set[str], step: int, old: BackupIndex) -> str | None:
        """Send a checkpoint unless it is there, its manifest last.

        Returns the sha256 of its manifest, None if the checkpoint is damaged. The key of its
        manifest joins ``keys``.
        """
        folder = self._run.checkpoint(step)
        manifest = (folder / MANIFEST).read_bytes()
        sha256 = hashlib.sha256(manifest).hexdigest()
        prefix, first = new_prefix(step, sha256), f"{first_prefix(step)}/{MANIFEST}"
        in_first_layout = old.checkpoints.get(step) == sha256 and first in keys
        if in_first_layout or f"{prefix}/{MANIFEST}" in keys:
            return sha256
        problem = verify_checkpoint(folder)
        if problem is not None:
            if not folder.exists():
                raise FileNotFoundError(folder)
            if step not in self._damaged:
                log(f"checkpoint {folder.name} is damaged and not uploaded: {problem}")
                self._damaged.add(step)
            return None
        for file in read_manifest(folder):
            self._store.put(folder / file, f"{prefix}/{file}")
        if (folder / MANIFEST).read_bytes() != manifest:
            raise RunChangedError(f"{folder} was replaced while it was sent")
        self._store.write_bytes(f"{prefix}/{MANIFEST}", manifest)
        keys.add(f"{prefix}/{MANIFEST}")
        return sha256


def _consistent_state(run: RunFolder) -> tuple[bytes, list[int], dict[str, Segments]]:
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
            yield preview_key(path.name, events), path
    for path in sorted(run.root.glob("evaluations/*/step-*.json")):
        yield path.relative_to(run.root).as_posix(), path
