"""A run's copy: cut short anywhere, it is of one piece, and a run goes on from it."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from dvdgan.config import load_config
from dvdgan.errors import UserError
from dvdgan.guard import ledger
from dvdgan.guard.environment import RunEnvironment
from dvdgan.guard.ledger import best_in_line, last_healthy
from dvdgan.guard.restore import restore
from dvdgan.guard.retention import kept
from dvdgan.guard.run_copy import OtherHistoryError, RunCopy
from dvdgan.guard.run_folder import RunFolder, damage, newest_whole, seal
from dvdgan.guard.steps import PlainSteps
from dvdgan.guard.verdict import COLLAPSED, Verdict
from dvdgan.storage.folder import FolderStore
from dvdgan.storage.store import StoreUnavailableError


@pytest.fixture(autouse=True)
def no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


DEMO = Path(__file__).resolve().parents[2] / "presets" / "demo.yaml"
ENVIRONMENT = RunEnvironment.from_environment({"DVDGAN_KEEP_LAST": "1"})


class CutStore(FolderStore):
    """Does ``left`` changes and no more."""

    def __init__(self, root: Path, left: float = float("inf")) -> None:
        super().__init__(root)
        self.left = left
        self.changes: list[str] = []

    def _count(self, change: str) -> None:
        if self.left <= 0:
            raise StoreUnavailableError("cut")
        self.left -= 1
        self.changes.append(change)

    def put(self, source: Path, key: str) -> None:
        self._count(f"put {key}")
        super().put(source, key)

    def write_bytes(self, key: str, data: bytes) -> None:
        self._count(f"write {key}")
        super().write_bytes(key, data)

    def delete(self, key: str) -> None:
        self._count(f"delete {key}")
        super().delete(key)


class Life:
    """A run as trainer and supervisor lead it. What is written tells attempt and step."""

    def __init__(self, root: Path) -> None:
        self.run = RunFolder(root)

    def train_to(self, step: int) -> None:
        run, attempt = self.run, self.run.course().attempt
        folder = run.checkpoint(step)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "a.safetensors").write_text(f"attempt {attempt} step {step}")
        (folder / "state.json").write_text(json.dumps({"attempt": attempt, "step": step}))
        begun = run.metrics.read_text().splitlines() if run.metrics.exists() else []
        steps = [*range(len(begun) + 1, step + 1)]
        lines = [*begun, *(json.dumps({"attempt": attempt, "step": each}) for each in steps)]
        for path in run.telemetry:
            path.write_text("".join(f"{line}\n" for line in lines))
        run.samples.mkdir(exist_ok=True)
        for suffix in ("png", "mp4"):
            (run.samples / f"step-{step:08d}.{suffix}").write_text(f"attempt {attempt}")
        seal(folder)

    def judge(self, step: int, fvd: float, verdict: str = "healthy") -> None:
        event: dict[str, Any] = {"event": "evaluated", "step": step, "metrics": {"FVD": fvd}}
        ledger.append(self.run.ledger, event | {"verdict": verdict, "reasons": []})
        events, steps = ledger.read(self.run.ledger), self.run.saved_steps()
        for gone in set(steps) - kept(events, steps, 1):
            self.run.remove(gone)

    def roll_back(self) -> None:
        to_step = last_healthy(ledger.read(self.run.ledger))
        verdict = Verdict(COLLAPSED, [], to_step + 10)
        PlainSteps().roll_back(self.run, to_step, load_config(DEMO).train.guard, verdict)
        lines = self.run.metrics.read_text().splitlines(keepends=True)
        self.run.metrics.write_text("".join(lines[:to_step]))


STORY = [
    lambda life: life.train_to(10),
    lambda life: life.judge(10, 90),
    lambda life: (life.train_to(20), life.judge(20, 50)),
    lambda life: (life.train_to(30), life.train_to(40)),
    lambda life: (life.judge(30, 900, "collapsed"), life.roll_back()),
    lambda life: (life.train_to(30), life.judge(30, 60)),
    lambda life: (life.train_to(40), life.judge(40, 70), life.train_to(50), life.judge(50, 80)),
]


def store_contents(store: FolderStore) -> Any:
    return json.loads(store.read_bytes("copy.json"))


def attempt_at(events: list[dict[str, Any]], step: int) -> int:
    """In which attempt ``step`` belongs, by the ledger."""
    backs = [event for event in events if event["event"] == "rolled_back"]
    return sum(event["to_step"] < step for event in backs)


def assert_of_one_piece(run: RunFolder) -> None:
    """What is there belongs to the ledger's course, and the end finds what it needs."""
    events = ledger.read(run.ledger)
    newest, skipped = newest_whole(run)
    assert skipped == []
    for step in run.saved_steps():
        assert damage(run.checkpoint(step)) is None
        state = json.loads((run.checkpoint(step) / "state.json").read_text())
        assert state == {"attempt": attempt_at(events, step), "step": step}
    if newest is None:
        return
    for needed in (best_in_line(events), last_healthy(events)):
        assert not needed or needed > newest or needed in run.saved_steps()
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    wanted = [{"attempt": attempt_at(events, step), "step": step} for step in range(1, newest + 1)]
    assert lines[:newest] == wanted
    for suffix in ("png", "mp4"):
        sheet = run.samples / f"step-{newest:08d}.{suffix}"
        assert sheet.read_text() == f"attempt {attempt_at(events, newest)}"


@pytest.mark.parametrize("every", [1, 7], ids="a copy every {} chapters".format)
def test_cut_between_any_two_changes_a_copy_is_of_one_piece(tmp_path: Path, every: int) -> None:
    left, newest = 0, []
    while True:
        place = tmp_path / str(left)
        life, store = Life(place / "run"), CutStore(place / "store", left)
        copy = RunCopy(life.run, store, ENVIRONMENT)
        cut = False
        for chapter, happens in enumerate(STORY, 1):
            happens(life)
            if not cut and chapter % every == 0:
                try:
                    copy.update()
                except StoreUnavailableError:
                    cut = True
        machine = RunFolder(place / "machine")
        restore(machine, FolderStore(store.root))
        assert_of_one_piece(machine)
        newest.append(newest_whole(machine)[0] or 0)
        # The machine that was cut off goes on, and so does its copy.
        store.left = float("inf")
        RunCopy(life.run, store, ENVIRONMENT).update()
        again = RunFolder(place / "again")
        restore(again, FolderStore(store.root))
        assert_of_one_piece(again)
        assert again.ledger.read_bytes() == life.run.ledger.read_bytes()
        assert newest_whole(again)[0] == newest_whole(life.run)[0] == 50
        shutil.rmtree(place)
        if not cut:
            break
        left += 1
    assert newest[0] == 0
    assert left > 10


def test_a_copy_equals_what_is_kept_and_is_not_sent_twice(tmp_path: Path) -> None:
    life, store = Life(tmp_path / "run"), CutStore(tmp_path / "store")
    copy = RunCopy(life.run, store, ENVIRONMENT)
    for happens in STORY:
        happens(life)
        copy.update()
        kept_here = [f"step-{step:08d}" for step in life.run.saved_steps()]
        assert sorted(path.name for path in (store.root / "checkpoints").iterdir()) == kept_here
        assert sorted(store_contents(store)["checkpoints"]) == kept_here
    told = sorted(path.name for path in life.run.telemetry)
    for name in ("ledger.jsonl", *told, "samples/step-00000030.png"):
        assert (store.root / name).read_bytes() == (life.run.root / name).read_bytes()
    store.changes.clear()
    copy.update()
    assert sorted(store.changes) == [f"write {name}" for name in told]


def test_a_new_machine_goes_on_and_the_copy_keeps_what_it_did_not_fetch(tmp_path: Path) -> None:
    life, store = Life(tmp_path / "run"), FolderStore(tmp_path / "store")
    for happens in STORY[:3]:
        happens(life)
    life.train_to(30)
    life.judge(30, 60)
    RunCopy(life.run, store, ENVIRONMENT).update()
    machine = Life(tmp_path / "machine")
    restore(machine.run, store)
    assert machine.run.saved_steps() == [20, 30]  # best, and newest: the promoted 10 stays there
    machine.train_to(40)
    machine.judge(40, 40)
    RunCopy(machine.run, store, ENVIRONMENT).update()
    names = sorted(path.name for path in (store.root / "checkpoints").iterdir())
    assert names == [f"step-{step:08d}" for step in (10, 20, 40)]


def test_nothing_is_fetched_where_nothing_is_missing(tmp_path: Path, capsys) -> None:
    life, store = Life(tmp_path / "run"), FolderStore(tmp_path / "store")
    restore(life.run, store)
    for happens in STORY[:3]:
        happens(life)
        RunCopy(life.run, store, ENVIRONMENT).update()
        before = {path: path.stat().st_ino for path in life.run.root.rglob("*")}
        restore(life.run, store)
        assert {path: path.stat().st_ino for path in life.run.root.rglob("*")} == before
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "a.safetensors").write_text("attempt 0 step 2_"),
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
    RunCopy(life.run, store, ENVIRONMENT).update()
    harm(store.root / "checkpoints" / "step-00000020")
    machine = RunFolder(tmp_path / "machine")
    restore(machine, store)
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"mirror: checkpoint step-00000020 in {store} is damaged and skipped")
    assert told[1:] == [f"mirror: restored step 10 from {store}"]
    assert machine.saved_steps() == [10]
    assert_of_one_piece(machine)


def test_a_checkpoint_damaged_here_is_fetched_again_and_not_copied(tmp_path: Path, capsys) -> None:
    life, store = Life(tmp_path / "run"), FolderStore(tmp_path / "store")
    life.train_to(10)
    RunCopy(life.run, store, ENVIRONMENT).update()
    (life.run.checkpoint(10) / "a.safetensors").write_text("attempt 0 step 1_")
    restore(life.run, store)
    assert newest_whole(life.run) == (10, [])
    life.train_to(20)
    (life.run.checkpoint(20) / "a.safetensors").write_text("")
    copy = RunCopy(life.run, store, ENVIRONMENT)
    copy.update()
    copy.update()
    assert capsys.readouterr().err.count("damaged and not copied: a.safetensors has 0 bytes") == 1
    assert not (store.root / "checkpoints" / "step-00000020").exists()


def test_two_histories_are_not_mixed(tmp_path: Path) -> None:
    one, other = Life(tmp_path / "one"), Life(tmp_path / "other")
    store = FolderStore(tmp_path / "store")
    for life, fvd in ((one, 90.0), (other, 91.0)):
        life.train_to(10)
        life.judge(10, fvd)
    RunCopy(one.run, store, ENVIRONMENT).update()
    before = (store.root / "copy.json").read_bytes()
    with pytest.raises(OtherHistoryError):
        RunCopy(other.run, store, ENVIRONMENT).update()
    with pytest.raises(UserError, match="different ways"):
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
    RunCopy(life.run, store, ENVIRONMENT).update()
    restore(late, store)
    assert late.saved_steps()[-1] == 30
    assert_of_one_piece(late)
    assert (late.collapsed / "0" / "step-00000040").is_dir()


@pytest.mark.parametrize("content", ["", "[]", "null", '{"ledger": ""}', '{"ledger'])
def test_a_copy_that_cannot_be_read_is_told_of(tmp_path: Path, content: str) -> None:
    store = FolderStore(tmp_path / "store")
    store.write_bytes("copy.json", content.encode())
    with pytest.raises(UserError, match="cannot be read"):
        restore(RunFolder(tmp_path / "run"), store)
