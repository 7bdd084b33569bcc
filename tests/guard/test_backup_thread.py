"""The backup thread: it never disturbs the run, reports when it fails and when it is back."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dvdgan.errors import InterruptedRunError, UserError
from dvdgan.guard import ledger, remote_backup
from dvdgan.guard.remote_backup import BackupThread, backed_up
from dvdgan.guard.run_folder import RunFolder, latest_valid, write_manifest
from dvdgan.machine import Machine
from dvdgan.storage.folder import FolderStore
from dvdgan.storage.store import StoreUnavailableError

PLAIN = Machine.load(variables={})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_backup, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(remote_backup, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(remote_backup, "LONGEST_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(remote_backup, "LAST_SECONDS", 10.0)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs" / "one")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine.load(variables={"DVDGAN_BACKUP": str(tmp_path / "store")})


def save(run: RunFolder, step: int) -> None:
    folder = run.checkpoint(step)
    folder.mkdir(parents=True)
    (folder / "a.safetensors").write_bytes(bytes([step]) * 1000)
    write_manifest(folder)


def evaluate(run: RunFolder, step: int) -> None:
    event = {"event": "evaluated", "step": step, "metrics": {"FVD": 100.0 - step}}
    ledger.append(run.ledger, event | {"verdict": "healthy", "reasons": []})


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Store(FolderStore):
    """Fails with ``error`` as long as there is one; waits for ``free``."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.error: Exception | None = None
        self.free = threading.Event()
        self.free.set()
        self.requests = 0

    def keys(self, prefix: str = "") -> list[str]:
        self.requests += 1
        self.free.wait(20)
        if self.error is not None:
            raise self.error
        return super().keys(prefix)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store" / "one")


def test_it_follows_the_run_and_a_new_machine_goes_on(
    run: RunFolder, machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    place = tmp_path / "store" / "one"
    with pytest.raises(InterruptedRunError), backed_up(run, machine):
        save(run, 10)
        wait_for(lambda: list(place.glob("checkpoints/step-00000010/*/manifest.json")))
        evaluate(run, 10)
        save(run, 20)
        raise InterruptedRunError
    assert list(place.glob("checkpoints/step-00000020/*/manifest.json"))
    assert capsys.readouterr().err == ""
    other = RunFolder(tmp_path / "machine" / "one")
    with backed_up(other, machine):
        assert latest_valid(other) == (20, [])
        assert other.ledger.read_bytes() == run.ledger.read_bytes()
    assert capsys.readouterr().err == f"backup: restored step 20 from {place}\n"


def test_without_a_backup_nothing_is_done(run: RunFolder, tmp_path: Path) -> None:
    before = threading.active_count()
    with backed_up(run, PLAIN):
        assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailableError("no answer"),
        UserError("the credentials were taken back", where="s3://x", todo="y"),
        OSError("the disk is odd"),
    ],
)
def test_a_store_that_goes_away_is_reported_once_and_so_is_its_return(
    run: RunFolder, store: Store, capsys: pytest.CaptureFixture, error: Exception
) -> None:
    store.error = error
    save(run, 10)
    thread = BackupThread(run, store, PLAIN)
    wait_for(lambda: store.requests > 5)
    store.error = None
    wait_for(lambda: (store.root / "copy.json").exists())
    thread.finish(10)
    lines = capsys.readouterr().err.splitlines()
    reason = error.what if isinstance(error, UserError) else str(error)
    assert lines == [
        f"backup: {reason}. Training continues, and the backup is retried",
        f"backup: {store} is available again and up to date",
    ]


def test_the_last_sync_has_an_end(
    run: RunFolder, store: Store, capsys: pytest.CaptureFixture
) -> None:
    store.free.clear()
    thread = BackupThread(run, store, PLAIN)
    began = time.monotonic()
    thread.finish(0.2)
    assert time.monotonic() - began < 5
    line = capsys.readouterr().err
    assert "the last sync to" in line and "did not end within 0.2 s; the same command" in line
    store.free.set()
    wait_for(lambda: not thread._thread.is_alive())


def test_what_comes_at_the_very_end_is_sent(run: RunFolder, store: Store) -> None:
    thread = BackupThread(run, store, PLAIN)
    wait_for(lambda: store.requests > 0)
    save(run, 10)
    thread.finish(10)
    assert list(store.root.glob("checkpoints/step-00000010/*/manifest.json"))


def test_a_store_that_rejects_us_ends_the_command_before_training(
    run: RunFolder, machine: Machine, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    monkeypatch.setattr(remote_backup, "open_store", lambda url, rate: store)
    store.error = UserError("S3 rejects the credentials")
    with pytest.raises(UserError, match="rejects"), backed_up(run, machine):
        pytest.fail("training began")


def test_a_store_that_is_away_at_the_start_matters_only_where_nothing_is_here(
    run: RunFolder,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    store: Store,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr(remote_backup, "open_store", lambda url, rate: store)
    store.error = StoreUnavailableError("no answer")
    nothing = "no local run to resume: no answer"
    with pytest.raises(UserError, match=nothing) as raised, backed_up(run, machine):
        pytest.fail("training began")
    assert "DVDGAN_BACKUP" in raised.value.todo
    save(run, 10)
    with backed_up(run, machine):
        assert "no answer; continuing from the local run" in capsys.readouterr().err
        store.error = None
    assert list(store.root.glob("checkpoints/step-00000010/*/manifest.json"))


def test_place_and_bandwidth_are_the_environments(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    opened = []
    monkeypatch.setattr(remote_backup, "open_store", lambda *args: opened.append(args) or store)
    variables = {"DVDGAN_BACKUP": "s3://runs/all/", "DVDGAN_BACKUP_MBPS": "3"}
    with backed_up(run, Machine.load(variables=variables)):
        assert opened == [("s3://runs/all/one", 3e6)]


def test_a_place_with_other_files_is_refused_before_training(
    run: RunFolder, machine: Machine, store: Store
) -> None:
    store.root.mkdir(parents=True)
    (store.root / "thesis.tex").write_text("years")
    refused = pytest.raises(UserError, match=r"other files: thesis\.tex")
    with refused as error, backed_up(run, machine):
        pytest.fail("training began")
    assert "DVDGAN_BACKUP" in error.value.todo
    assert [path.name for path in store.root.iterdir()] == ["thesis.tex"]


def test_a_run_is_no_backup_of_itself(run: RunFolder) -> None:
    save(run, 10)
    before = latest_valid(run)
    itself = Machine.load(variables={"DVDGAN_BACKUP": str(run.root.parent)})
    with pytest.raises(UserError, match="other files"), backed_up(run, itself):
        pytest.fail("training began")
    assert latest_valid(run) == before


def test_a_file_beside_a_sent_checkpoint_stays(run: RunFolder, store: Store) -> None:
    for step in (10, 20, 30, 40):
        save(run, step)
        event = {"event": "evaluated", "step": step, "metrics": {"FVD": float(step)}}
        ledger.append(run.ledger, event | {"verdict": "healthy", "reasons": []})
        BackupThread(run, store, PLAIN).finish(10)
        (store.root / f"checkpoints/step-{step:08d}/notes.md").write_text("mine")
    run.remove(20)
    BackupThread(run, store, PLAIN).finish(10)
    left = list((store.root / "checkpoints/step-00000020").iterdir())
    assert [path.name for path in left] == ["notes.md"]
