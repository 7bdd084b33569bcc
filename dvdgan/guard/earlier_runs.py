"""The runs there are already, in this work tree and in the mirror."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dvdgan.errors import UserError
from dvdgan.guard import ledger
from dvdgan.guard.backup_index import BackupIndex
from dvdgan.guard.origin import Origin
from dvdgan.guard.remote_backup import say
from dvdgan.guard.run_folder import RunFolder
from dvdgan.storage.open_store import open_store
from dvdgan.storage.store import StoreUnavailableError

SETTINGS, PROVENANCE = "settings.json", "provenance.json"


@dataclass(frozen=True)
class EarlierRun:
    """A run as its folder, or its copy in the mirror, tells of it."""

    name: str
    where: str
    origin: Origin
    step: int
    """Of its newest checkpoint; 0: there is none."""
    finished: bool

    def __str__(self) -> str:
        steps = self.origin.params.get("train.steps", "?")
        ended = ", ended" if self.finished else ""
        return f"{self.where} (step {self.step} of {steps}{ended})"


def local_runs(runs: Path) -> list[EarlierRun]:
    """Those of the work tree, whose folders lie in ``runs``. Raises UserError for broken files."""
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
    """Those in the mirror at ``url``; none, and a line, where it does not answer.

    A copy that cannot be read is named and left out. Raises UserError as the store does for
    credentials.
    """
    try:
        return list(_mirrored(url))
    except StoreUnavailableError as error:
        say(f"{error}; its runs are not looked at")
        return []


def _mirrored(url: str) -> Iterator[EarlierRun]:
    keys = set(open_store(url).keys())
    names = {key.partition("/")[0] for key in keys}
    for name in sorted(name for name in names if f"{name}/{SETTINGS}" in keys):
        copy = open_store(f"{url.rstrip('/')}/{name}")
        known = f"{name}/{PROVENANCE}" in keys
        try:
            contents = BackupIndex.read(copy)
            events = ledger.parse(contents.ledger)
            provenance = copy.read_bytes(PROVENANCE) if known else None
            origin = _origin(copy.read_bytes(SETTINGS), provenance, str(copy))
        except ValueError as error:
            say(f"the copy in {copy} is not looked at: {error}")
            continue
        yield _earlier(name, str(copy), origin, max(contents.checkpoints, default=0), events)


def _earlier(
    name: str, where: str, origin: Origin, step: int, events: list[ledger.Event]
) -> EarlierRun:
    finished = ledger.finished(events, origin.params.get("train.steps", 0))
    return EarlierRun(name, where, origin, step, finished)


def _origin(settings: bytes, provenance: bytes | None, where: str) -> Origin:
    try:
        return Origin.of_files(settings, provenance)
    except (LookupError, AttributeError, TypeError, ValueError) as error:
        names = f"{SETTINGS} or {PROVENANCE} in {where}"
        raise ValueError(f"{names} is not what dvdgan writes: {error}") from error
