"""A run as trainer and supervisor lead it, and a store that is cut off in the middle of a sync."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from dvdgan.config import load_config
from dvdgan.guard import ledger
from dvdgan.guard.health import COLLAPSED, Verdict
from dvdgan.guard.ledger import best_in_line, kept, last_healthy
from dvdgan.guard.run_folder import RunFolder, latest_valid, verify_checkpoint, write_manifest
from dvdgan.guard.supervisor import SupervisorActions
from dvdgan.machine import Machine
from dvdgan.storage.folder import FolderStore

DEMO = Path(__file__).resolve().parents[2] / "presets" / "demo.yaml"
MACHINE = Machine.load(variables={"DVDGAN_KEEP_LAST": "1"})


class RecordingStore(FolderStore):
    """Lists its changes, and keeps what is in it before each: what a kill then would leave."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.changes: list[str] = []
        self.states: list[FolderStore] = []

    def put(self, source: Path, key: str) -> None:
        self._note(f"put {key}")
        super().put(source, key)

    def write_bytes(self, key: str, data: bytes) -> None:
        self._note(f"write {key}")
        super().write_bytes(key, data)

    def delete(self, key: str) -> None:
        self._note(f"delete {key}")
        super().delete(key)

    def _note(self, change: str) -> None:
        state = self.root.with_name(f"{self.root.name}-{len(self.states)}")
        self.root.mkdir(exist_ok=True)
        # A store replaces files and never writes into them.
        shutil.copytree(self.root, state, copy_function=os.link)
        self.changes.append(change)
        self.states.append(FolderStore(state))


class Life:
    """A run as trainer and supervisor lead it. What is written has restart index and step."""

    def __init__(self, root: Path) -> None:
        self.run = RunFolder(root)

    def train_to(self, step: int) -> None:
        run, restart = self.run, self.run.schedule_override().restart_index
        folder = run.checkpoint(step)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "a.safetensors").write_text(f"restart {restart} step {step}")
        (folder / "state.json").write_text(json.dumps({"restart_index": restart, "step": step}))
        begun = run.metrics.read_text().splitlines() if run.metrics.exists() else []
        steps = [*range(len(begun) + 1, step + 1)]
        lines = [*begun, *(json.dumps({"restart_index": restart, "step": each}) for each in steps)]
        for path in run.telemetry:
            path.write_text("".join(f"{line}\n" for line in lines))
        run.samples.mkdir(exist_ok=True)
        for suffix in ("png", "mp4"):
            (run.samples / f"step-{step:08d}.{suffix}").write_text(f"restart {restart}")
        write_manifest(folder)

    def judge(self, step: int, fvd: float, verdict: str = "healthy") -> None:
        event: dict[str, Any] = {"event": "evaluated", "step": step, "metrics": {"FVD": fvd}}
        ledger.append(self.run.ledger, event | {"verdict": verdict, "reasons": []})
        events, steps = ledger.read(self.run.ledger), self.run.saved_steps()
        for gone in set(steps) - kept(events, steps, 1):
            self.run.remove(gone)

    def roll_back(self) -> None:
        to_step = last_healthy(ledger.read(self.run.ledger))
        verdict = Verdict(COLLAPSED, [], to_step + 10)
        SupervisorActions().roll_back(self.run, to_step, load_config(DEMO).train.guard, verdict)
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


def read_index(store: FolderStore) -> dict[str, Any]:
    index: dict[str, Any] = json.loads(store.read_bytes("copy.json"))
    return index


def assert_index_is_complete(store: FolderStore) -> int:
    """All that the index names is in the store, undamaged; the newest checkpoint, 0: none."""
    keys = store.keys()
    if "copy.json" not in keys:
        return 0
    index = read_index(store)
    for name, manifest in index["checkpoints"].items():
        (place,) = [key for key in keys if key.startswith(f"checkpoints/{name}/{manifest[:16]}/m")]
        assert hashlib.sha256(store.read_bytes(place)).hexdigest() == manifest
        assert verify_checkpoint(store.root / Path(place).parent) is None
    for file, each in index["telemetry"].items():
        parts = [store.read_bytes(f"telemetry/{file}/{name}") for name in each["segments"]]
        sums = [hashlib.sha256(part).hexdigest() for part in parts]
        assert [name.partition("-")[2] for name in each["segments"]] == sums
        assert sum(map(len, parts)) == each["size"]
    return max([int(name.removeprefix("step-")) for name in index["checkpoints"]], default=0)


def restart_index_at(events: list[dict[str, Any]], step: int) -> int:
    """The restart index that ``step`` belongs to, by the ledger."""
    backs = [event for event in events if event["event"] == "rolled_back"]
    return sum(event["to_step"] < step for event in backs)


def assert_consistent(run: RunFolder) -> None:
    """What is there belongs to the ledger, and the end of the run finds what it needs."""
    events = ledger.read(run.ledger)
    newest, skipped = latest_valid(run)
    assert skipped == []
    for step in run.saved_steps():
        assert verify_checkpoint(run.checkpoint(step)) is None
        state = json.loads((run.checkpoint(step) / "state.json").read_text())
        assert state == {"restart_index": restart_index_at(events, step), "step": step}
    if newest is None:
        return
    for needed in (best_in_line(events), last_healthy(events)):
        assert not needed or needed > newest or needed in run.saved_steps()
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    wanted = [
        {"restart_index": restart_index_at(events, step), "step": step}
        for step in range(1, newest + 1)
    ]
    assert lines[:newest] == wanted
    for suffix in ("png", "mp4"):
        sheet = run.samples / f"step-{newest:08d}.{suffix}"
        assert sheet.read_text() == f"restart {restart_index_at(events, newest)}"
