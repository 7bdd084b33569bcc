"""The mirror: a thread that keeps a run's copy in a store up to date and never disturbs the run."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dvdgan.errors import UserError
from dvdgan.guard.environment import RunEnvironment
from dvdgan.guard.remote_backup import OtherHistoryError, RemoteBackup, say
from dvdgan.guard.restore import restore
from dvdgan.guard.run_folder import RunFolder
from dvdgan.guard.segments import RunChangedError
from dvdgan.storage.open_store import open_store
from dvdgan.storage.store import Store, StoreUnavailableError

POLL_SECONDS = 2.0
# Between two attempts while the store is away.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 60.0
# For the copy at the end, in which the last checkpoint goes.
LAST_SECONDS = 60.0


@contextmanager
def backed_up(run: RunFolder, environment: RunEnvironment) -> Iterator[None]:
    """Restore ``run`` from its copy in the mirror, and keep the copy up to date inside the block.

    The copy lies at DVDGAN_BACKUP/<name of the run folder>; nothing is done without a mirror.
    Raises UserError before the block where the store rejects us; later, and whenever the store is
    away, it only says so. Leaving the block waits LAST_SECONDS for the last copy.
    """
    if environment.backup is None:
        yield
        return
    store = open_store(
        f"{environment.backup.rstrip('/')}/{run.root.name}", environment.backup_bytes_per_second
    )
    restore(run, store)
    mirror = BackupThread(run, store, environment)
    try:
        yield
    finally:
        mirror.finish(LAST_SECONDS)


class BackupThread:
    """Copies ``run`` to ``store`` whenever it has a new event, checkpoint or preview."""

    def __init__(self, run: RunFolder, store: Store, environment: RunEnvironment) -> None:
        self._run, self._store = run, store
        self._copy = RemoteBackup(run, store, environment)
        self._closing, self._given_up = threading.Event(), threading.Event()
        self._failed: str | None = None
        self._thread = threading.Thread(target=self._work, name="mirror", daemon=True)
        self._thread.start()

    def finish(self, seconds: float) -> None:
        """Copy for the last time; say so when that does not end within ``seconds``."""
        self._closing.set()
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._given_up.set()
            say(
                f"the last copy to {self._store} did not end in {seconds:g} s; the same command "
                "sends the rest"
            )

    def _work(self) -> None:
        copied = None
        wait = FIRST_WAIT_SECONDS
        while not self._given_up.is_set():
            closing = self._closing.is_set()  # before the look: nothing may be missed at the end
            seen = self._state()
            if seen == copied and not closing:
                self._closing.wait(POLL_SECONDS)
            elif self._succeeds():
                copied, wait = seen, FIRST_WAIT_SECONDS
                if closing:
                    return
            else:
                # Else many runs would come back to a store at the same time.
                pause = wait * random.uniform(0.5, 1.0)
                (self._given_up if closing else self._closing).wait(pause)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    def _succeeds(self) -> bool:
        """Update the copy; a failure is told when it begins and when it is over."""
        try:
            self._copy.update()
        except (FileNotFoundError, RunChangedError):
            return False  # deleted or rewritten while it was sent: looked at anew
        except (StoreUnavailableError, UserError, OtherHistoryError, OSError, ValueError) as error:
            if self._failed is None:
                told = error.what if isinstance(error, UserError) else error
                say(f"{told}. Training goes on; the copy is tried again")
            self._failed = str(error)
            return False
        if self._failed is not None:
            say(f"{self._store} is back and up to date")
        self._failed = None
        return True

    def _state(self) -> object:
        """Equal as long as there is nothing new to copy."""
        run = self._run
        ledger = run.ledger.stat().st_size if run.ledger.exists() else 0
        previews = run.samples.stat().st_mtime_ns if run.samples.exists() else 0
        return ledger, run.saved_steps(), previews
