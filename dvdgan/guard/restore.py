"""From a run's copy in a store back to a run folder, on this or on a new machine."""

import re
from pathlib import Path

from dvdgan.errors import UserError
from dvdgan.guard.interruption import raise_if_interrupted
from dvdgan.guard.ledger import best_in_line, last_healthy, parse, whole_lines
from dvdgan.guard.run_copy import Contents, digest, say, went_back
from dvdgan.guard.run_folder import MANIFEST, RunFolder, damage, newest_whole, read_manifest
from dvdgan.guard.run_folder import step_name as name_of
from dvdgan.storage.local import atomic_directory, atomic_file
from dvdgan.storage.store import Store, StoreUnavailableError

SMALL_FILES = re.compile(r"samples/step-\d{8}\.(png|mp4)|evaluations/\d+/step-\d{8}\.json")


def restore(run: RunFolder, store: Store) -> None:
    """Bring ``run`` at least as far as its copy in ``store`` is; nothing is done where it is.

    Raises UserError where the two have gone different ways, or where the store is not to be
    reached and there is nothing here to go on from; as the store does for credentials.
    InterruptedRunError between two files when a stop is asked for.
    """
    try:
        keys = store.keys()
        _restore(run, store, keys, _contents(store, keys))
    except StoreUnavailableError as error:
        if newest_whole(run)[0] is None:
            raise UserError(
                f"the mirror does not answer and there is nothing here to go on from: {error}",
                where=str(store),
                todo="try again later; to begin a run without a mirror, unset DVDGAN_MIRROR",
            ) from error
        say(f"{error}; going on from what is here")


def _contents(store: Store, keys: list[str]) -> Contents:
    try:
        contents = Contents.read(store, keys)
        parse(contents.ledger)
    except ValueError as error:
        raise UserError(
            f"the mirror's copy of this run cannot be read: {error}",
            where=str(store),
            todo="move it away, or name another store in DVDGAN_MIRROR",
        ) from error
    return contents


def _restore(run: RunFolder, store: Store, keys: list[str], theirs: Contents) -> None:
    mine = whole_lines(run.ledger)
    behind = theirs.ledger.startswith(mine) and theirs.ledger != mine
    if not behind and not mine.startswith(theirs.ledger):
        raise UserError(
            "this run folder and its copy in the mirror have gone different ways",
            where=f"{run.root} and {store}",
            todo="move away the one that shall not go on",
        )
    void = went_back(mine[len(theirs.ledger) :])
    usable = [step for step in theirs.checkpoints if step <= void]
    if behind:
        back = went_back(theirs.ledger[len(mine) :])
        if back < float("inf"):
            run.move_aside(after=int(back), attempt=run.course().attempt)
    here = newest_whole(run)[0] or 0
    if not behind and max(usable, default=0) <= here:
        return
    # The ledger only when nothing of another course is left, the checkpoints only when all they
    # go on with is there: killed on the way, the same command restores the rest.
    _fetch_small_files(run, store, keys, over=behind)
    if behind:
        with atomic_file(run.ledger) as aside:
            aside.write_bytes(theirs.ledger)
    events = parse(whole_lines(run.ledger))
    needed = {last_healthy(events), best_in_line(events) or 0} - {0}
    damaged: set[int] = set()
    for step in sorted((step for step in usable if step > here), reverse=True):
        wanted = sorted({step} | {each for each in needed if each <= step})
        if all(_have(run, store, each, theirs, damaged) for each in wanted):
            say(f"restored step {step} from {store}")
            return


def _have(run: RunFolder, store: Store, step: int, contents: Contents, damaged: set[int]) -> bool:
    """Whether a checkpoint is whole here, fetched if need be; a damaged one is named once."""
    folder = run.checkpoint(step)
    if folder.exists() and damage(folder) is None:
        return True
    if step in damaged or step not in contents.checkpoints:
        return False
    try:
        _fetch_checkpoint(folder, store, contents.checkpoints[step])
    except (FileNotFoundError, ValueError) as error:
        say(f"checkpoint {name_of(step)} in {store} is damaged and skipped: {error}")
        damaged.add(step)
        return False
    return True


def _fetch_checkpoint(folder: Path, store: Store, manifest_sha256: str) -> None:
    """Fetch a checkpoint aside, compare every hash, rename it. ValueError: it is damaged."""
    name = f"checkpoints/{folder.name}"
    manifest = store.read_bytes(f"{name}/{MANIFEST}")
    if digest(manifest) != manifest_sha256:
        raise ValueError(f"{MANIFEST} is not the one that was copied")
    with atomic_directory(folder) as aside:
        (aside / MANIFEST).write_bytes(manifest)
        for file in read_manifest(aside):
            raise_if_interrupted()
            store.fetch(f"{name}/{file}", aside / file)
        problem = damage(aside)
        if problem is not None:
            raise ValueError(problem)


def _fetch_small_files(run: RunFolder, store: Store, keys: list[str], over: bool) -> None:
    """Telemetry, previews, evaluations; ``over``: also in place of those that are here."""
    for key in keys:
        raise_if_interrupted()
        target = run.root / key
        if target in run.telemetry:
            missing = over or len(whole_lines(target)) < store.size(key)
        else:
            missing = bool(SMALL_FILES.fullmatch(key)) and (over or not target.exists())
        if missing:
            store.fetch(key, target)
