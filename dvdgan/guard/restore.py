"""From a run's copy in a store back to a run folder, on this or on a new machine."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from dvdgan.errors import UserError
from dvdgan.guard.backup_index import BackupIndex, place_of, preview_place
from dvdgan.guard.interruption import raise_if_interrupted
from dvdgan.guard.ledger import Event, best_in_line, last_healthy, parse, whole_lines
from dvdgan.guard.remote_backup import claim, digest, earliest_rollback_step, say
from dvdgan.guard.run_folder import (
    MANIFEST,
    RunFolder,
    latest_valid,
    read_manifest,
    verify_checkpoint,
)
from dvdgan.guard.run_folder import step_name as name_of
from dvdgan.guard.segments import Segments
from dvdgan.storage.local import atomic_directory, atomic_file
from dvdgan.storage.store import Store, StoreUnavailableError

PREVIEW = re.compile(r"samples/(?:\d+/)?(step-\d{8}\.(?:png|mp4))")
EVALUATION = re.compile(r"evaluations/\d+/step-\d{8}\.json")
# A copy that is being written is read again: so often, then something else is wrong.
READINGS = 5


class CopyChangedError(Exception):
    """Another machine has written the next copy, and deleted what it no longer needs."""


@dataclass(frozen=True)
class BackupReader:
    """A copy as its listing was when it was read."""

    store: Store
    contents: BackupIndex
    keys: Collection[str]

    @classmethod
    def of(cls, store: Store) -> "BackupReader":
        """The copy in ``store``. Raises UserError where its listing cannot be read."""
        # Keys last: what is missing in them was deleted after the listing was read, or is lost.
        return cls(store, _contents(store), set(store.keys()))

    def assert_current(self) -> None:
        """Raise CopyChangedError unless the listing in the store is still this one."""
        if _contents(self.store) != self.contents:
            raise CopyChangedError(f"the copy in {self.store} was written anew while it was read")


def restore(run: RunFolder, store: Store) -> None:
    """Bring ``run`` at least as far as its copy in ``store`` is; nothing is done where it is.

    Raises UserError where the two have gone different ways, where the store holds other files, or
    where it is not to be reached and there is nothing here to go on from; as the store does for
    credentials.
    InterruptedRunError between two files when a stop is asked for.
    """
    try:
        claim(store)
        for _ in range(READINGS):
            try:
                _restore(run, BackupReader.of(store))
                return
            except CopyChangedError as changed:
                say(f"{changed}: it is read again")
    except StoreUnavailableError as error:
        if latest_valid(run)[0] is None:
            raise UserError(
                f"the mirror does not answer and there is nothing here to go on from: {error}",
                where=str(store),
                todo="try again later; to begin a run without a mirror, unset DVDGAN_BACKUP",
            ) from error
        say(f"{error}; going on from what is here")
        return
    raise UserError(
        f"the mirror's copy of this run changed {READINGS} times while it was read",
        where=str(store),
        todo="end the command that works on this run on another machine, then try again",
    )


def _contents(store: Store) -> BackupIndex:
    try:
        contents = BackupIndex.read(store)
        parse(contents.ledger)
    except ValueError as error:
        raise UserError(
            f"the mirror's copy of this run cannot be read: {error}",
            where=str(store),
            todo="move it away, or name another store in DVDGAN_BACKUP",
        ) from error
    return contents


def _restore(run: RunFolder, copy: BackupReader) -> None:
    store, theirs = copy.store, copy.contents
    mine = whole_lines(run.ledger)
    behind = theirs.ledger.startswith(mine) and theirs.ledger != mine
    if not behind and not mine.startswith(theirs.ledger):
        raise UserError(
            "this run folder and its copy in the mirror have gone different ways",
            where=f"{run.root} and {store}",
            todo="move away the one that shall not go on",
        )
    void = earliest_rollback_step(mine[len(theirs.ledger) :])
    usable = [step for step in theirs.checkpoints if step <= void]
    if behind:
        back = earliest_rollback_step(theirs.ledger[len(mine) :])
        if back < float("inf"):
            run.move_aside(after=int(back), restart_index=run.schedule_override().restart_index)
    here = latest_valid(run)[0] or 0
    if not behind and max(usable, default=0) <= here:
        return
    # The ledger only when nothing of another course is left, the checkpoints only when all they
    # go on with is there: killed on the way, the same command restores the rest.
    _fetch_telemetry(run, copy, over=behind)
    _fetch_small_files(run, copy, over=behind)
    if behind:
        with atomic_file(run.ledger) as aside:
            aside.write_bytes(theirs.ledger)
    events = parse(whole_lines(run.ledger))
    needed = {last_healthy(events), best_in_line(events) or 0} - {0}
    damaged: set[int] = set()
    for step in sorted((step for step in usable if step > here), reverse=True):
        wanted = sorted({step} | {each for each in needed if each <= step})
        if all(_have(run, copy, each, damaged) for each in wanted):
            say(f"restored step {step} from {store}")
            return


def _have(run: RunFolder, copy: BackupReader, step: int, damaged: set[int]) -> bool:
    """Whether a checkpoint is whole here, fetched if need be; a damaged one is named once."""
    folder = run.checkpoint(step)
    if folder.exists() and verify_checkpoint(folder) is None:
        return True
    if step in damaged or step not in copy.contents.checkpoints:
        return False
    try:
        _fetch_checkpoint(folder, copy, step)
    except (FileNotFoundError, ValueError) as error:
        copy.assert_current()
        say(f"checkpoint {name_of(step)} in {copy.store} is damaged and skipped: {error}")
        damaged.add(step)
        return False
    return True


def _fetch_checkpoint(folder: Path, copy: BackupReader, step: int) -> None:
    """Fetch a checkpoint aside, compare every hash, rename it. ValueError: it is damaged."""
    sha256 = copy.contents.checkpoints[step]
    place = place_of(step, sha256, copy.keys)
    manifest = copy.store.read_bytes(f"{place}/{MANIFEST}")
    if digest(manifest) != sha256:
        raise ValueError(f"{MANIFEST} is not the one that was copied")
    with atomic_directory(folder) as aside:
        (aside / MANIFEST).write_bytes(manifest)
        for file in read_manifest(aside):
            raise_if_interrupted()
            copy.store.fetch(f"{place}/{file}", aside / file)
        problem = verify_checkpoint(aside)
        if problem is not None:
            raise ValueError(problem)


def _fetch_telemetry(run: RunFolder, copy: BackupReader, over: bool) -> None:
    """Telemetry that reaches further than what is here; ``over``: also in place of it."""
    for path in run.telemetry:
        if copy.contents.telemetry is None:
            there = copy.store.size(path.name) if path.name in copy.keys else 0
        else:
            there = copy.contents.telemetry.get(path.name, Segments()).size
        if not there or not (over or len(whole_lines(path)) < there):
            continue
        if copy.contents.telemetry is None:
            copy.store.fetch(path.name, path)
        else:
            _join(path, copy, copy.contents.telemetry[path.name])


def _join(path: Path, copy: BackupReader, segments: Segments) -> None:
    """Write a file of telemetry from its segments; a damaged one ends it, and is named."""
    with atomic_file(path) as aside, aside.open("wb") as file:
        try:
            for data in segments.read(path.name, copy.store):
                raise_if_interrupted()
                file.write(data)
        except (FileNotFoundError, ValueError) as error:
            copy.assert_current()
            say(f"{path.name} in {copy.store} is damaged and goes no further here: {error}")


def _fetch_small_files(run: RunFolder, copy: BackupReader, over: bool) -> None:
    """Previews and evaluations; ``over``: also in place of those that are here."""
    events = parse(copy.contents.ledger)
    for key in sorted(copy.keys):
        raise_if_interrupted()
        target = _target(run, copy.contents, key, events)
        if target is not None and (over or not target.exists()):
            _fetch_small_file(target, copy, key)


def _target(run: RunFolder, contents: BackupIndex, key: str, events: list[Event]) -> Path | None:
    """Where a preview of the copy's course or an evaluation belongs here; None: another key."""
    if EVALUATION.fullmatch(key):
        return run.root / key
    preview = PREVIEW.fullmatch(key)
    if preview is None:
        return None
    name = preview[1]
    place = f"samples/{name}" if contents.telemetry is None else preview_place(name, events)
    return run.samples / name if key == place else None


def _fetch_small_file(target: Path, copy: BackupReader, key: str) -> None:
    try:
        copy.store.fetch(key, target)
    except (FileNotFoundError, ValueError) as error:
        copy.assert_current()
        say(f"{key} in {copy.store} is damaged and left out: {error}")
