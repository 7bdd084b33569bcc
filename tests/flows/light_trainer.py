"""A trainer without torch: $LIGHT_STEP_SECONDS a step, half a second a checkpoint.

It holds after each step of $LIGHT_HOLDS until there is a file `released-STEP` in the work tree.

Started as a launcher starts the real one: SCRIPT dvdgan.training RUN_FOLDER. It locks, saves, stops
and resumes as that does. Should it work beside another, it writes `violation` in the run folder.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from dvdgan.config.schema import RunSettings
from dvdgan.errors import EXIT_INTERRUPTED
from dvdgan.guard import run_lock
from dvdgan.guard.parent_death_signal import set_parent_death_signal
from dvdgan.guard.run_folder import RunFolder, latest_valid, write_manifest
from dvdgan.storage.local import atomic_directory, remove_abandoned, write_bytes, write_json
from dvdgan.training.stop_request import StopRequest


def paused(step: int) -> bool:
    holds = os.environ.get("LIGHT_HOLDS", "").split()
    return str(step) in holds and not Path(f"released-{step}").exists()


def save(run: RunFolder, state: dict[str, int]) -> None:
    if run.checkpoint(state["step"]).exists():
        return
    with atomic_directory(run.checkpoint(state["step"])) as folder:
        write_json(folder / "state.json", state)
        time.sleep(0.5)
        write_manifest(folder)


def train(run: RunFolder) -> int:
    settings = RunSettings.model_validate_json(run.settings.read_text()).train
    override, stop = run.schedule_override(), StopRequest()
    run.checkpoints.mkdir(exist_ok=True)
    remove_abandoned(run.checkpoints)
    step = latest_valid(run)[0]
    state = {"step": 0, "number": settings.seed}
    if step is not None:
        state = json.loads((run.checkpoint(step) / "state.json").read_text())
    state["restart_index"] = override.restart_index
    lines = run.metrics.read_text().splitlines(True)[: state["step"]] if state["step"] else []
    run.metrics.write_text("".join(lines))
    with run.metrics.open("a") as metrics:
        while state["step"] < settings.steps:
            time.sleep(float(os.environ.get("LIGHT_STEP_SECONDS", "0.05")))
            while paused(state["step"]) and not stop.requested:
                time.sleep(0.05)
            state["step"] += 1
            state["number"] = (state["number"] * 69069 + 1 + override.restart_index) % 2**32
            loss = 1 + state["number"] / 2**32
            metrics.write(
                json.dumps({"step": state["step"], "generator_gradient_norm": loss}) + "\n"
            )
            metrics.flush()
            due = state["step"] % settings.checkpoint_every == 0 or state["step"] == settings.steps
            if due or stop.requested:
                save(run, state)
            if stop.requested and state["step"] < settings.steps:
                write_json(run.interrupted, {"step": state["step"]})
                return EXIT_INTERRUPTED
    return 0


@contextmanager
def alone(run: RunFolder) -> Iterator[None]:
    """Independent of the lock: fail where another one works, or was killed and still lives."""
    for file in run.root.glob("at-work-*"):
        if lives(int(file.name.rpartition("-")[2]), float(file.read_text())):
            (run.root / "violation").touch()
        file.unlink(missing_ok=True)
    mine = run.root / f"at-work-{os.getpid()}"
    write_bytes(mine, str(psutil.Process().create_time()).encode())
    yield
    mine.unlink(missing_ok=True)


def lives(pid: int, since: float) -> bool:
    """Not as a zombie, nor as another process that was given its number."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - since) < 2 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    set_parent_death_signal()
    folder = RunFolder(Path(sys.argv[2]))
    with run_lock.lock(folder.trainer_lock, "another trainer"), alone(folder):
        code = train(folder)
    sys.exit(code)
