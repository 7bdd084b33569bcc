"""The existing runs in this work tree and in the remote backup."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dvdgan.errors import UserError
from dvdgan.guard import ledger
from dvdgan.guard.backup_index import BackupIndex, log
from dvdgan.guard.origin import RunOrigin
from dvdgan.guard.run_folder import RunFolder
from dvdgan.storage.open_store import open_store
from dvdgan.storage.store import StoreUnavailableError

SETTINGS, PROVENANCE = "settings.json", "provenance.json"


@dataclass(frozen=True)
class EarlierRun:
    """A run as its folder, or its remote backup, describes it."""

    name: str
    where: str
    origin: RunOrigin
    step: int
    """Of its newest checkpoint; 0: there is none."""
    finished: bool

    def __str__(self) -> str:
        steps = self.origin.params.get("train.steps", "?")
        ended = ", ended" if self.finished else ""
        return f"{self.where} (step {self.step} of {steps}{ended})"


def local_runs(runs: Path) -> list[EarlierRun]:
    """Those of the work tree, whose folders are in ``runs``. Raises UserError for broken files."""
    found = []
    for settings in sorted(runs.glob(f"*/{SETTINGS}")):
        run = RunFolder(settings.parent)
        provenance = run.provenance.read_bytes() if run.provenance.is_file() else None
        try:
            origin = _origin(settings.read_bytes(), provenance, str(run.root))
        except ValueError as error:
            raise UserError(str(error), todo="move that folder away") from error
        events, step = ledger.read(run.ledger), max(run.saved_steps(), default=0)
        found.append(_earlier(run.root.name, str(run.root), origin, step, events))
    return found


def backed_up_runs(url: str) -> list[EarlierRun]:
    """Those in the remote backup at ``url``; none, and a line, where it does not answer.

    A backup that cannot be read is named and left out. Raises UserError as the store does for
    credentials.
    """
    try:
        return list(_read_backups(url))
    except StoreUnavailableError as error:
        log(f"{error}; its runs are not considered")
        return []


def _read_backups(url: str) -> Iterator[EarlierRun]:
    keys = set(open_store(url).keys())
    names = {key.partition("/")[0] for key in keys}
    for name in sorted(name for name in names if f"{name}/{SETTINGS}" in keys):
        backup = open_store(f"{url.rstrip('/')}/{name}")
        known = f"{name}/{PROVENANCE}" in keys
        try:
            index = BackupIndex.read(backup)
            events = ledger.parse(index.ledger)
            provenance = backup.read_bytes(PROVENANCE) if known else None
            origin = _origin(backup.read_bytes(SETTINGS), provenance, str(backup))
        except ValueError as error:
            log(f"the backup in {backup} is not considered: {error}")
            continue
        yield _earlier(name, str(backup), origin, max(index.checkpoints, default=0), events)


def _earlier(
    name: str, where: str, origin: RunOrigin, step: int, events: list[ledger.Event]
) -> EarlierRun:
    finished = ledger.finished(events, origin.params.get("train.steps", 0))
    return EarlierRun(name, where, origin, step, finished)


def _origin(settings: bytes, provenance: bytes | None, where: str) -> RunOrigin:
    try:
        return RunOrigin.of_files(settings, provenance)
    except (LookupError, AttributeError, TypeError, ValueError) as error:
        names = f"{SETTINGS} or {PROVENANCE} in {where}"
        raise ValueError(f"{names} was not written by dvdgan: {error}") from error
