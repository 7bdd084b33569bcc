"""Restore a run folder from its remote backup, on this or on a new machine."""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from dvdgan.errors import UserError
from dvdgan.guard.backup_index import (
    BackupIndex,
    Segments,
    checkpoint_prefix,
    claim,
    earliest_rollback_step,
    log,
    preview_key,
)
from dvdgan.guard.interruption import raise_if_interrupted
from dvdgan.guard.ledger import (
    Event,
    best_in_line,
    last_healthy,
    parse,
    reached,
    whole_lines,
)
from dvdgan.guard.run_folder import (
    MANIFEST,
    RunFolder,
    latest_valid,
    read_manifest,
    step_name,
    verify_checkpoint,
)
from dvdgan.storage.local import atomic_directory, atomic_file
from dvdgan.storage.store import Store, StoreUnavailableError

PREVIEW = re.compile(r"samples/(?:\d+/)?(step-\d{8}\.(?:png|mp4))")
EVALUATION = re.compile(r"evaluations/\d+/step-\d{8}\.json")
# How often a backup is read that is written meanwhile; after that something else is wrong.
MAX_READS = 5


class BackupChangedError(Exception):
    """Another machine has written the next index, and deleted what it no longer needs."""


@dataclass(frozen=True)
class BackupReader:
    """A backup by its index at the time it was read."""

    store: Store
    index: BackupIndex
    keys: Collection[str]

    @classmethod
    def of(cls, store: Store) -> "BackupReader":
        """The backup in ``store``. Raises UserError if its index cannot be read."""
        # Keys last: what is missing in them was deleted after the index was read, or is lost.
        return cls(store, _read_index(store), set(store.keys()))

    def assert_current(self) -> None:
        """Raise BackupChangedError unless the index in the store is still this one."""
        if _read_index(self.store) != self.index:
            raise BackupChangedError(f"the backup in {self.store} was rewritten while it was read")


def restore(run: RunFolder, store: Store) -> None:
    """Bring ``run`` at least as far as its backup in ``store`` is.

    Does nothing where it is. Raises UserError if the two have diverged, where the store holds
    other files, or where it does not answer and there is nothing local to resume from; as the store
    does for credentials; InterruptedRunError between two files after a request to stop.
    """
    try:
        claim(store)
        for _ in range(MAX_READS):
            try:
                _restore(run, BackupReader.of(store))
                return
            except BackupChangedError as changed:
                log(f"{changed}: reading it again")
    except StoreUnavailableError as error:
        if latest_valid(run)[0] is None:
            raise UserError(
                f"the backup does not answer, and there is no local run to resume: {error}",
                where=str(store),
                todo="try again later, or remove "
                "stores.backup (DVDGAN_BACKUP) to start a run without a backup",
            ) from error
        log(f"{error}; continuing from the local run")
        return
    raise UserError(
        f"the backup of this run changed {MAX_READS} times while it was read",
        where=str(store),
        todo="stop the command that works on this run on another machine, then try again",
    )


def _read_index(store: Store) -> BackupIndex:
    try:
        index = BackupIndex.read(store)
        parse(index.ledger)
    except ValueError as error:
        raise UserError(
            f"the backup of this run cannot be read: {error}",
            where=str(store),
            todo="move it away, or set another stores.backup (DVDGAN_BACKUP)",
        ) from error
    return index


def _restore(run: RunFolder, backup: BackupReader) -> None:
    store, index = backup.store, backup.index
    ledger = whole_lines(run.ledger)
    behind = index.ledger.startswith(ledger) and index.ledger != ledger
    if not behind and not ledger.startswith(index.ledger):
        raise UserError(
            "this run folder and its backup have diverged",
            where=f"{run.root} and {store}",
            todo="move away the one that you do not want to continue",
        )
    rollback_step = earliest_rollback_step(ledger[len(index.ledger) :])
    usable = [step for step in index.checkpoints if step <= rollback_step]
    if behind:
        missed = earliest_rollback_step(index.ledger[len(ledger) :])
        if missed < float("inf"):
            run.move_aside(after=int(missed), restart_index=run.schedule_override().restart_index)
    newest = latest_valid(run)[0] or 0
    if not behind and max(usable, default=0) <= newest:
        return
    # The ledger only when nothing of another restart is left, the checkpoints only when all that
    # they continue with is there: where this is killed, the same command restores the rest.
    _fetch_telemetry(run, backup, replace=behind)
    _fetch_small_files(run, backup, replace=behind)
    if behind:
        with atomic_file(run.ledger) as aside:
            aside.write_bytes(index.ledger)
    events = parse(whole_lines(run.ledger))
    needed = {last_healthy(events), best_in_line(events) or 0} - {0}
    not_judged = {step for step in usable if step > max(newest, reached(events))}
    damaged: set[int] = set()
    for step in sorted((step for step in usable if step > newest), reverse=True):
        # Checkpoints that the lost machine has not evaluated are evaluated here: the ledger must
        # not depend on where it was lost. The newest last: with it, there is nothing to restore.
        before = {
            each
            for each in sorted(needed | not_judged)
            if each < step and _ensure_checkpoint(run, backup, each, damaged)
        }
        complete = {each for each in needed if each < step} <= before
        if complete and _ensure_checkpoint(run, backup, step, damaged):
            log(f"restored step {step} from {store}")
            return


def _ensure_checkpoint(run: RunFolder, backup: BackupReader, step: int, damaged: set[int]) -> bool:
    """Whether a checkpoint is whole here, fetched if need be; a damaged one is named once."""
    folder = run.checkpoint(step)
    if folder.exists() and verify_checkpoint(folder) is None:
        return True
    if step in damaged or step not in backup.index.checkpoints:
        return False
    try:
        _fetch_checkpoint(folder, backup, step)
    except (FileNotFoundError, ValueError) as error:
        backup.assert_current()
        log(f"checkpoint {step_name(step)} in {backup.store} is damaged and skipped: {error}")
        damaged.add(step)
        return False
    return True


def _fetch_checkpoint(folder: Path, backup: BackupReader, step: int) -> None:
    """Fetch a checkpoint aside, verify it, rename it. Raises ValueError if it is damaged."""
    sha256 = backup.index.checkpoints[step]
    prefix = checkpoint_prefix(step, sha256, backup.keys)
    manifest = backup.store.read_bytes(f"{prefix}/{MANIFEST}")
    if hashlib.sha256(manifest).hexdigest() != sha256:
        raise ValueError(f"{MANIFEST} is not the one that was sent")
    with atomic_directory(folder) as aside:
        (aside / MANIFEST).write_bytes(manifest)
        for file in read_manifest(aside):
            raise_if_interrupted()
            backup.store.fetch(f"{prefix}/{file}", aside / file)
        problem = verify_checkpoint(aside)
        if problem is not None:
            raise ValueError(problem)


def _fetch_telemetry(run: RunFolder, backup: BackupReader, replace: bool) -> None:
    """Fetch telemetry that reaches further than what is here; ``replace``: also in place of it."""
    telemetry = backup.index.telemetry
    for path in run.telemetry:
        if telemetry is None:  # the first layout
            size = backup.store.size(path.name) if path.name in backup.keys else 0
        else:
            size = telemetry.get(path.name, Segments()).size
        if not size or not (replace or len(whole_lines(path)) < size):
            continue
        if telemetry is None:
            backup.store.fetch(path.name, path)
        else:
            _join(path, backup, telemetry[path.name])


def _join(path: Path, backup: BackupReader, segments: Segments) -> None:
    """Write a file of telemetry from its segments; a damaged one ends it, and is named."""
    with atomic_file(path) as aside, aside.open("wb") as file:
        try:
            for data in segments.read(path.name, backup.store):
                raise_if_interrupted()
                file.write(data)
        except (FileNotFoundError, ValueError) as error:
            backup.assert_current()
            log(f"{path.name} in {backup.store} is damaged and restored only in part: {error}")


def _fetch_small_files(run: RunFolder, backup: BackupReader, replace: bool) -> None:
    """Fetch previews and evaluations; ``replace``: also in place of those that are here."""
    events = parse(backup.index.ledger)
    for key in sorted(backup.keys):
        raise_if_interrupted()
        target = _target(run, backup.index, key, events)
        if target is not None and (replace or not target.exists()):
            try:
                backup.store.fetch(key, target)
            except (FileNotFoundError, ValueError) as error:
                backup.assert_current()
                log(f"{key} in {backup.store} is damaged and not restored: {error}")


def _target(run: RunFolder, index: BackupIndex, key: str, events: list[Event]) -> Path | None:
    """Where an evaluation or a preview that the ledger has not rolled back belongs; else None."""
    if EVALUATION.fullmatch(key):
        return run.root / key
    preview = PREVIEW.fullmatch(key)
    if preview is None:
        return None
    name = preview[1]
    current = f"samples/{name}" if index.telemetry is None else preview_key(name, events)
    return run.samples / name if key == current else None
