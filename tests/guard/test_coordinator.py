"""Many nodes as one trainer: gathered, stopped together, lost and replaced. Real processes, killed;
the trainers themselves are a stand-in (tests/training/test_nodes.py has real ones)."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from dvdgan.errors import EXIT_INTERRUPTED
from dvdgan.guard.coordinator import BEGUN, ENDED, WAITING, Coordinator
from dvdgan.guard.run_folder import RunFolder
from dvdgan.machine import Machine
from dvdgan.storage.local import atomic_file

AGENT = Path(__file__).with_name("stand_in_agent.py")
TIMEOUT_SECONDS = 6
GIVEN = ("AWS_SECRET_ACCESS_KEY", "WANDB_MODE", "NCCL_DEBUG", "CUDA_VISIBLE_DEVICES")


class LocalLauncher:
    """Nodes that are processes here; those whose name is in ``away`` begin when it is taken out."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.away: set[str] = set()
        self.requested: dict[str, str] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.given_up: list[str] = []

    def start(self, name: str, launch_id: str) -> bool:
        self.requested[name] = launch_id
        self.processes.pop(name, None)
        self.arrive()
        return True

    def arrive(self) -> None:
        for name in [name for name in self.requested if name not in self.away]:
            words = [sys.executable, str(AGENT), str(self.run.root), name, self.requested.pop(name)]
            # The lock of a node's name is of this test alone.
            own = {key: value for key, value in os.environ.items() if key not in GIVEN}
            own["TMPDIR"] = str(self.run.root)
            self.processes[name] = subprocess.Popen(words, start_new_session=True, env=own)

    def state(self, name: str) -> str | None:
        if name not in self.processes:
            return WAITING
        return ENDED if self.processes[name].poll() in (0, 1) else BEGUN

    def give_up(self, name: str) -> None:
        self.requested.pop(name, None)
        self.given_up.append(name)

    def power_cut(self, name: str) -> None:
        """Kill a node with all its children at once, and keep it away."""
        self.away.add(name)
        node = psutil.Process(self.processes[name].pid)
        for process in [*node.children(recursive=True), node]:
            process.kill()


class Scene:
    """A run folder, its nodes, and the coordinator's warnings."""

    def __init__(self, root: Path) -> None:
        self.run = RunFolder(root)
        self.launcher = LocalLauncher(self.run)
        self.warnings: list[str] = []

    def train(self, lost_node: str = "wait") -> Coordinator:
        variables = {
            "DVDGAN_NODES": "one=10.0.0.1,other=10.0.0.2",
            "DVDGAN_NODE_TIMEOUT": str(TIMEOUT_SECONDS),
            "DVDGAN_LOST_NODE": lost_node,
        }
        machine = Machine.load(variables=variables)
        return Coordinator(self.run, machine, self.launcher, self.warnings.append)

    def trained(self) -> list[list[Any]]:
        """[name, nodes, endpoint's host] of every trainer started so far, sorted."""
        return sorted(
            [name, nodes, endpoint.rpartition(":")[0]] for name, nodes, endpoint in self._lines()
        )

    def ports(self) -> set[int]:
        """Those of the endpoints."""
        return {int(at.rpartition(":")[2]) for _, _, at in self._lines()}

    def _lines(self) -> list[list[Any]]:
        path = self.run.root / "trained"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def trainers(self) -> list[psutil.Process]:
        found = psutil.process_iter(["cmdline"])
        return [each for each in found if str(self.run.root) in (each.info["cmdline"] or [])]

    def finish(self, code: int = 0) -> None:
        with atomic_file(self.run.root / "finish") as aside:  # the agents read it meanwhile
            aside.write_text(str(code))


def wait(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    for process in scene.trainers():
        process.kill()
    for node in scene.launcher.processes.values():
        node.wait(30)


BOTH = [["one", 2, "10.0.0.1"], ["other", 2, "10.0.0.1"]]


def test_all_nodes_are_gathered_before_any_trains_and_end_as_one(scene: Scene) -> None:
    scene.launcher.away.add("other")
    trainer = scene.train()
    wait(lambda: any("waiting for node other" in line for line in scene.warnings))
    assert scene.trained() == []
    scene.launcher.away.clear()
    scene.launcher.arrive()
    wait(lambda: scene.trained() == BOTH)
    assert trainer.poll() is None
    scene.finish()
    wait(lambda: trainer.poll() is not None)
    assert trainer.poll() == trainer.stop() == 0


def test_a_stop_ends_all_of_them(scene: Scene) -> None:
    trainer = scene.train()
    wait(lambda: scene.trained() == BOTH)
    assert trainer.stop() == EXIT_INTERRUPTED
    wait(lambda: not scene.trainers())
    assert scene.launcher.given_up == []


@pytest.mark.parametrize(("first", "later"), [("one", "other"), ("other", "one")])
def test_of_two_failures_the_earlier_is_the_reason(scene: Scene, first: str, later: str) -> None:
    """The other fails in its own way when it is stopped."""
    (scene.run.root / f"when-stopped-{later}").write_text("3")
    trainer = scene.train()
    wait(lambda: scene.trained() == BOTH)
    (scene.run.root / f"finish-{first}").write_text("9")
    wait(lambda: trainer.poll() is not None)
    assert trainer.poll() == 9


def test_settings_and_credentials_reach_all_nodes_and_nobody_else(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "not-for-everyone"
    given = {"AWS_SECRET_ACCESS_KEY": secret, "WANDB_MODE": "offline", "NCCL_DEBUG": "WARN"}
    for name, value in (given | {"CUDA_VISIBLE_DEVICES": "1"}).items():
        monkeypatch.setenv(name, value)
    trainer = scene.train()
    # Of the processes here only the supervisor has them, as on hosts of their own.
    wait(lambda: scene.trained() == BOTH)
    for name in ("one", "other"):
        variables = json.loads((scene.run.root / f"environment-of-{name}").read_text())
        assert variables == given
    [file] = (scene.run.root / "nodes").glob("environment-*.json")
    assert file.stat().st_mode & 0o777 == 0o600
    holding = [
        path
        for path in scene.run.root.rglob("*")
        if path.is_file() and secret in path.read_text(errors="replace")
    ]
    assert sorted(path.name for path in holding if "environment-of" not in path.name) == [file.name]
    trainer.stop()
    assert not file.exists()


def test_two_launches_meet_at_ports_of_their_own(scene: Scene, tmp_path: Path) -> None:
    trainer = scene.train()
    wait(lambda: scene.trained() == BOTH)
    [port] = scene.ports()
    trainer.stop()
    trainer = scene.train()
    wait(lambda: len(scene.trained()) == 4)
    trainer.stop()
    assert len(scene.ports()) == 2, port
    assert all(1024 < each < 32768 for each in scene.ports())


def test_a_failure_on_one_is_the_failure_of_all(scene: Scene) -> None:
    trainer = scene.train()
    wait(lambda: scene.trained() == BOTH)
    scene.finish(3)
    wait(lambda: trainer.poll() is not None)
    assert trainer.poll() == 3


def test_a_lost_node_is_named_and_waited_for(scene: Scene) -> None:
    trainer = scene.train()
    wait(lambda: scene.trained() == BOTH)
    scene.launcher.power_cut("other")
    wait(lambda: any("node other is lost" in line for line in scene.warnings))
    wait(lambda: "other" in scene.launcher.requested)
    assert scene.launcher.given_up == ["other"]
    assert scene.trained() == BOTH, "half of the nodes trained"
    scene.launcher.away.clear()
    scene.launcher.arrive()
    wait(lambda: scene.trained() == sorted(2 * BOTH))
    scene.finish()
    wait(lambda: trainer.poll() is not None)
    assert trainer.poll() == 0


@pytest.mark.long
def test_what_is_left_goes_on_without_the_first_node(scene: Scene) -> None:
    """The one at whose address all had met."""
    trainer = scene.train("go_on")
    wait(lambda: scene.trained() == BOTH)
    scene.launcher.power_cut("one")
    wait(lambda: scene.trained() == sorted([*BOTH, ["other", 1, "10.0.0.2"]]))
    assert any("node one is lost" in line for line in scene.warnings)
    assert trainer.poll() is None
    # It comes too late: not half way into a launch.
    scene.launcher.away.clear()
    scene.launcher.arrive()
    scene.finish()
    wait(lambda: trainer.poll() is not None)
    assert trainer.poll() == 0
    assert len(scene.trained()) == 3


COORDINATOR = """
import sys, time
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_coordinator import Scene
scene = Scene(Path(sys.argv[1]))
scene.train()
time.sleep(600)
"""


def test_a_killed_coordinator_leaves_no_trainer_behind(scene: Scene) -> None:
    words = [sys.executable, "-c", COORDINATOR, str(scene.run.root), str(Path(__file__).parent)]
    coordinator = subprocess.Popen(words)
    try:
        wait(lambda: scene.trained() == BOTH)
        os.kill(coordinator.pid, signal.SIGKILL)
        coordinator.wait()
        wait(lambda: not scene.trainers())
    finally:
        coordinator.kill()
        coordinator.wait()
