"""A remote backup: cut short anywhere, it is complete, and a run goes on from it."""

import os
import shutil
from pathlib import Path

import pytest
from backed_up_run import (
    MACHINE,
    STORY,
    Life,
    RecordingStore,
    assert_consistent,
    assert_index_is_complete,
    read_index,
)

from dvdgan.errors import UserError
from dvdgan.guard import backup_index
from dvdgan.guard.remote_backup import OtherHistoryError, RemoteBackup
from dvdgan.guard.restore import restore
from dvdgan.guard.run_folder import RunFolder, latest_valid
from dvdgan.storage.folder import FolderStore


@pytest.fixture(autouse=True)
def small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(backup_index, "SEGMENT_BYTES", 700)  # two or three a file


@pytest.mark.parametrize("every", [1, 7], ids="a sync every {} chapters".format)
def test_killed_between_any_two_changes_a_backup_is_complete(tmp_path: Path, every: int) -> None:
    life, store = Life(tmp_path / "run"), RecordingStore(tmp_path / "store")
    backup = RemoteBackup(life.run, store, MACHINE)
    for chapter, happens in enumerate(STORY, 1):
        happens(life)
        if chapter % every == 0:
            backup.sync()
    newest = []
    for left in [*store.states, FolderStore(store.root)]:
        machine = RunFolder(tmp_path / "machines" / left.root.name)
        restore(machine, left)
        assert_consistent(machine)
        newest.append(latest_valid(machine)[0] or 0)
        assert newest[-1] == assert_index_is_complete(left)
        # The machine that was killed goes on, and so does its backup.
        RemoteBackup(life.run, left, MACHINE).sync()
        assert assert_index_is_complete(left) == 50
        assert read_index(left) == read_index(store)
        assert left.keys() == store.keys()
    assert newest[0] == 0
    assert newest[-1] == 50
    assert len(newest) > 10


def in_store(store: FolderStore, file: str) -> list[Path]:
    """The segments of a telemetry file, and nothing else is there."""
    return list((store.root / "telemetry" / file).iterdir())


def test_a_backup_equals_what_is_kept_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    life, store = Life(tmp_path / "run"), RecordingStore(tmp_path / "store")
    backup = RemoteBackup(life.run, store, MACHINE)
    for happens in STORY:
        happens(life)
        backup.sync()
        kept_here = [f"step-{step:08d}" for step in life.run.saved_steps()]
        assert sorted(path.name for path in (store.root / "checkpoints").iterdir()) == kept_here
        assert sorted(read_index(store)["checkpoints"]) == kept_here
    for path in life.run.telemetry:
        joined = b"".join(part.read_bytes() for part in sorted(in_store(store, path.name)))
        assert joined == path.read_bytes()
    assert (store.root / "ledger.jsonl").read_bytes() == life.run.ledger.read_bytes()
    sheets = sorted((store.root / "samples").rglob("*.png"))
    assert [f"{path.parent.name}/{path.name}" for path in sheets] == [
        *("0/step-00000010.png", "0/step-00000020.png"),
        *(f"1/step-{step:08d}.png" for step in (30, 40, 50)),
    ]
    store.changes.clear()
    backup.sync()
    assert store.changes == []


def test_a_new_machine_goes_on_and_the_backup_keeps_what_it_did_not_fetch(tmp_path: Path) -> None:
    life, store = Life(tmp_path / "run"), FolderStore(tmp_path / "store")
    for happens in STORY[:3]:
        happens(life)
    life.train_to(30)
    life.judge(30, 60)
    RemoteBackup(life.run, store, MACHINE).sync()
    machine = Life(tmp_path / "machine")
    restore(machine.run, store)
    assert machine.run.saved_steps() == [
        20,
        30,
    ]  # best, and newest: the best before stays there
    machine.train_to(40)
    machine.judge(40, 40)
    RemoteBackup(machine.run, store, MACHINE).sync()
    names = sorted(path.name for path in (store.root / "checkpoints").iterdir())
    assert names == [f"step-{step:08d}" for step in (10, 20, 40)]


def test_checkpoints_that_nobody_has_evaluated_yet_are_fetched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else the ledger of the new machine would lack what the lost one would have written."""
    life, store = Life(tmp_path / "run"), FolderStore(tmp_path / "store")
    life.train_to(10)
    life.judge(10, 90)
    for step in (20, 30, 34):
        life.train_to(step)
    RemoteBackup(life.run, store, MACHINE).sync()
    machine = RunFolder(tmp_path / "machine")
    restore(machine, store)
    assert machine.saved_steps() == [10, 20, 30, 34]
    [tensors] = store.root.glob("checkpoints/step-00000020/*/a.safetensors")
    tensors.write_text("damaged")
    other = RunFolder(tmp_path / "other")
    restore(other, store)
    assert other.saved_steps() == [10, 30, 34]
    assert "checkpoint step-00000020" in capsys.readouterr().err


def test_nothing_is_fetched_where_nothing_is_missing(tmp_path: Path, capsys) -> None:
    life, store = Life(tmp_path / "run"), FolderStore(tmp_path / "store")
    restore(life.run, store)
    for happens in STORY[:3]:
        happens(life)
        RemoteBackup(life.run, store, MACHINE).sync()
        before = {path: path.stat().st_ino for path in life.run.root.rglob("*")}
        restore(life.run, store)
        assert {path: path.stat().st_ino for path in life.run.root.rglob("*")} == before
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "a.safetensors").write_text("restart 0 step 2_"),
        lambda folder: (folder / "a.safetensors").write_text(""),
        lambda folder: (folder / "a.safetensors").unlink(),
        lambda folder: (folder / "manifest.json").write_text("{}"),
        lambda folder: (folder / "manifest.json").unlink(),
    ],
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_fetched(
    tmp_path: Path, capsys: pytest.CaptureFixture, harm
) -> None:
    life, store = Life(tmp_path / "run"), FolderStore(tmp_path / "store")
    for happens in STORY[:3]:
        happens(life)
    RemoteBackup(life.run, store, MACHINE).sync()
    (place,) = (store.root / "checkpoints" / "step-00000020").iterdir()
    harm(place)
    machine = RunFolder(tmp_path / "machine")
    restore(machine, store)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(
        f"backup: checkpoint step-00000020 in {store} is damaged and skipped"
    )
    assert lines[1:] == [f"backup: restored step 10 from {store}"]
    assert machine.saved_steps() == [10]
    assert_consistent(machine)


def test_a_checkpoint_damaged_here_is_fetched_again_and_not_sent(tmp_path: Path, capsys) -> None:
    life, store = Life(tmp_path / "run"), FolderStore(tmp_path / "store")
    life.train_to(10)
    RemoteBackup(life.run, store, MACHINE).sync()
    (life.run.checkpoint(10) / "a.safetensors").write_text("restart 0 step 1_")
    restore(life.run, store)
    assert latest_valid(life.run) == (10, [])
    life.train_to(20)
    (life.run.checkpoint(20) / "a.safetensors").write_text("")
    backup = RemoteBackup(life.run, store, MACHINE)
    backup.sync()
    backup.sync()
    assert capsys.readouterr().err.count("damaged and not uploaded: a.safetensors has 0 bytes") == 1
    assert not (store.root / "checkpoints" / "step-00000020").exists()


def test_two_histories_are_not_mixed(tmp_path: Path) -> None:
    one, other = Life(tmp_path / "one"), Life(tmp_path / "other")
    store = FolderStore(tmp_path / "store")
    for life, fvd in ((one, 90.0), (other, 91.0)):
        life.train_to(10)
        life.judge(10, fvd)
    RemoteBackup(one.run, store, MACHINE).sync()
    before = (store.root / "copy.json").read_bytes()
    with pytest.raises(OtherHistoryError):
        RemoteBackup(other.run, store, MACHINE).sync()
    with pytest.raises(UserError, match="diverged"):
        restore(other.run, store)
    assert (store.root / "copy.json").read_bytes() == before


def test_a_machine_that_missed_a_rollback_moves_its_later_checkpoints_aside(tmp_path: Path) -> None:
    life, store = Life(tmp_path / "run"), FolderStore(tmp_path / "store")
    for happens in STORY[:4]:
        happens(life)
    late = RunFolder(shutil.copytree(life.run.root, tmp_path / "late"))
    assert late.saved_steps()[-2:] == [30, 40]
    for happens in STORY[4:6]:
        happens(life)
    RemoteBackup(life.run, store, MACHINE).sync()
    restore(late, store)
    assert late.saved_steps()[-1] == 30
    assert_consistent(late)
    assert (late.collapsed / "0" / "step-00000040").is_dir()


@pytest.mark.parametrize("content", ["", "[]", "null", '{"ledger": ""}', '{"ledger'])
def test_a_backup_that_cannot_be_read_is_refused(tmp_path: Path, content: str) -> None:
    store = FolderStore(tmp_path / "store")
    store.write_bytes("copy.json", content.encode())
    with pytest.raises(UserError, match="cannot be read"):
        restore(RunFolder(tmp_path / "run"), store)
