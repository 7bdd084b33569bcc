"""A backup that is read while it is written, one of the first layout, and damaged telemetry."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from backed_up_run import (
    MACHINE,
    STORY,
    Life,
    RecordingStore,
    assert_consistent,
    read_index,
    restart_index_at,
)

from dvdgan.errors import UserError
from dvdgan.guard import backup_index, ledger
from dvdgan.guard.remote_backup import RemoteBackup
from dvdgan.guard.restore import MAX_READS, restore
from dvdgan.guard.run_folder import RunFolder, latest_valid
from dvdgan.storage.folder import FolderStore
from dvdgan.storage.local import sha256_of_file


@pytest.fixture(autouse=True)
def small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(backup_index, "SEGMENT_BYTES", 700)


class ReadStore(FolderStore):
    """Has ``happens`` called before read number ``number``, or before every one."""

    def __init__(self, root: Path, happens: Callable[[], object], number: int | None) -> None:
        super().__init__(root)
        self.happens, self.number, self.reads = happens, number, 0

    def fetch(self, key: str, target: Path) -> None:
        self._count()
        super().fetch(key, target)

    def read_bytes(self, key: str) -> bytes:
        self._count()
        return super().read_bytes(key)

    def _count(self) -> None:
        self.reads += 1
        if self.number in (None, self.reads):
            self.happens()


def test_a_backup_that_is_written_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    life, begun = Life(tmp_path / "run"), FolderStore(tmp_path / "begun")
    for happens in STORY[:4]:
        happens(life)
    RemoteBackup(life.run, begun, MACHINE).sync()
    for happens in STORY[4:]:  # a rollback, and the same steps after it
        happens(life)
    newest: list[int | None] = []
    while True:
        place = tmp_path / str(len(newest))
        shutil.copytree(begun.root, place / "store", copy_function=os.link)
        backup = RemoteBackup(life.run, FolderStore(place / "store"), MACHINE)
        store = ReadStore(place / "store", backup.sync, len(newest) + 1)
        machine = RunFolder(place / "machine")
        restore(machine, store)
        assert_consistent(machine)
        if store.reads <= len(newest):
            break
        newest.append(latest_valid(machine)[0])
    assert newest == [50] * len(newest)
    assert len(newest) > 10


def test_a_backup_that_changes_at_every_read_is_refused(tmp_path: Path, capsys) -> None:
    life = Life(tmp_path / "run")
    backup = RemoteBackup(life.run, FolderStore(tmp_path / "store"), MACHINE)
    life.train_to(10)
    backup.sync()

    def goes_on() -> None:
        life.train_to(max(life.run.saved_steps()) + 10)
        life.judge(max(life.run.saved_steps()), 100 - life.run.saved_steps()[-1] / 100)
        backup.sync()

    with pytest.raises(UserError, match=f"changed {MAX_READS} times"):
        restore(RunFolder(tmp_path / "machine"), ReadStore(tmp_path / "store", goes_on, None))
    assert capsys.readouterr().err.count("rewritten while it was read") == MAX_READS


def first_layout(life: Life, root: Path) -> None:
    """A backup as version 0.1 first wrote it: one prefix a step, telemetry and previews whole."""
    run = life.run
    for folder in (run.checkpoints, run.samples):
        shutil.copytree(folder, root / folder.name)
    for path in (*run.telemetry, run.ledger):
        shutil.copy(path, root / path.name)
    listed = {
        path.name: sha256_of_file(path / "manifest.json")
        for path in (root / "checkpoints").iterdir()
    }
    index = {"ledger": run.ledger.read_text(), "checkpoints": listed}
    (root / "copy.json").write_text(json.dumps(index))


def test_a_backup_of_the_first_layout_is_restored_and_goes_on_without_sending_it_again(
    tmp_path: Path,
) -> None:
    life = Life(tmp_path / "run")
    for happens in STORY[:4]:
        happens(life)
    first_layout(life, tmp_path / "store")
    store = RecordingStore(tmp_path / "store")
    machine = RunFolder(tmp_path / "machine")
    restore(machine, store)
    assert_consistent(machine)
    assert latest_valid(machine)[0] == 40
    RemoteBackup(life.run, store, MACHINE).sync()
    assert not [change for change in store.changes if change.startswith("put checkpoints")]
    assert not (store.root / "metrics.jsonl").exists()
    for happens in STORY[4:]:
        happens(life)
        RemoteBackup(life.run, store, MACHINE).sync()
    for number, left in enumerate(store.states):
        again = RunFolder(tmp_path / "again" / str(number))
        restore(again, left)
        assert_consistent(again)
        assert latest_valid(again)[0] == max(
            int(name.removeprefix("step-")) for name in read_index(left)["checkpoints"]
        )
    # What is rolled back or pruned is gone; what is kept may lie where it was.
    assert {key.split("/")[1] for key in store.keys("checkpoints/")} == read_index(store)[
        "checkpoints"
    ].keys()


def test_a_backup_with_a_ledger_of_version_0_1_is_restored_and_goes_on(tmp_path: Path) -> None:
    """Whose rollbacks have the key `attempt`."""
    life, store = Life(tmp_path / "run"), FolderStore(tmp_path / "store")
    for happens in STORY[:6]:
        happens(life)
    ledger_of_0_1 = life.run.ledger.read_text().replace('"restart_index"', '"attempt"')
    assert '"attempt"' in ledger_of_0_1
    life.run.ledger.write_text(ledger_of_0_1)
    RemoteBackup(life.run, store, MACHINE).sync()
    machine = Life(tmp_path / "machine")
    restore(machine.run, store)
    assert_consistent(machine.run)
    assert latest_valid(machine.run)[0] == 30
    assert machine.run.ledger.read_text() == ledger_of_0_1
    STORY[6](machine)
    RemoteBackup(machine.run, store, MACHINE).sync()
    again = RunFolder(tmp_path / "again")
    restore(again, store)
    assert_consistent(again)
    assert latest_valid(again)[0] == 50


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"{}\n")])
def test_telemetry_that_is_damaged_is_named_and_the_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture, harm: Callable[[Path], object]
) -> None:
    life, store = Life(tmp_path / "run"), FolderStore(tmp_path / "store")
    life.train_to(40)
    RemoteBackup(life.run, store, MACHINE).sync()
    parts = sorted((store.root / "telemetry" / "metrics.jsonl").iterdir())
    assert len(parts) > 1
    harm(parts[1])
    machine = RunFolder(tmp_path / "machine")
    restore(machine, store)
    assert latest_valid(machine)[0] == 40
    assert machine.metrics.read_bytes() == life.run.metrics.read_bytes()[:700]
    assert machine.timing.read_bytes() == life.run.timing.read_bytes()
    assert "metrics.jsonl in" in capsys.readouterr().err


def test_the_restart_index_of_a_step_is_that_of_the_last_rollback_before_it(tmp_path: Path) -> None:
    events = [
        {"event": "rolled_back", "to_step": to, "restart_index": restart}
        for restart, to in enumerate((20, 40, 30), 1)
    ]
    assert [ledger.restart_index_of(events, step) for step in (20, 30, 40, 41)] == [0, 1, 3, 3]
    assert ledger.restart_index_of(events[:2], 40) == restart_index_at(events[:1], 40) == 1
