"""Trainers that start at once: a process that has imported everything forks one for each request.

A line `KIND WORKERS LOG RUN_FOLDER` on stdin: one of KINDS, how many processes load clips for it,
where its lines go. The answers are the new process's pid and, when it has ended, its exit code
(minus the signal).
"""

import gc
import os
import random
import runpy
import subprocess
import sys
import time
from pathlib import Path

import torch
from PIL import Image
from tiny_run import CLIP, MODEL, TRAIN
from warm_process import ForkingPopen

from dvdgan.guard.run_folder import RunFolder
from dvdgan.guard.trainer_process import TrainerProcess
from dvdgan.storage.local import remove_abandoned
from dvdgan.training import __main__ as trainer
from dvdgan.training.checkpoint import StagedCheckpoint
from dvdgan.training.checkpoint_manager import CheckpointManager
from dvdgan.training.state import TrainState, initial_state
from dvdgan.training.telemetry import Telemetry

STATE = initial_state(CLIP, MODEL, TRAIN, 4, torch.device("cpu"))


def train(run: RunFolder) -> int:
    """A trainer as a launcher starts it."""
    sys.argv = ["dvdgan.training", str(run.root)]
    return trainer.main()


def train_until_held(run: RunFolder) -> int:
    """A trainer that waits for ever after the step that the file hold_at names."""
    after_step, last = CheckpointManager.after_step, int((run.root / "hold_at").read_text())

    def save_then_hold(
        checkpoints: CheckpointManager, state: TrainState, telemetry: Telemetry | None
    ) -> bool:
        stopping = after_step(checkpoints, state, telemetry)
        while state.step >= last:
            time.sleep(60)
        return stopping

    CheckpointManager.after_step = save_then_hold
    return train(run)


def train_by_a_jumping_clock(run: RunFolder) -> int:
    """A trainer whose wall clock is set to another day every time it looks."""
    time.time = lambda: random.uniform(0, 2e9)
    return train(run)


def train_with_a_slow_disk(run: RunFolder) -> int:
    """A trainer that needs a minute to write a checkpoint."""
    write = StagedCheckpoint.write

    def slowly(staged: StagedCheckpoint, folder: Path) -> None:
        (run.root / "writing").touch()
        time.sleep(60)
        write(staged, folder)

    StagedCheckpoint.write = slowly
    return train(run)


def train_as_a_keeping_rank(run: RunFolder) -> int:
    """The trainer of checkpointing_rank.py."""
    os.environ["KEPT"] = str(run.root)
    script = Path(__file__).with_name("checkpointing_rank.py")
    sys.argv = [str(script), "dvdgan.training", str(run.root)]
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def train_by_a_launcher(run: RunFolder) -> int:
    """The launcher that the file `launcher` names, and its trainers; all of them are forks."""
    subprocess.Popen = ForkingPopen  # type: ignore[misc]
    return train_by_a_started_launcher(run)


def train_by_a_started_launcher(run: RunFolder) -> int:
    """The same, with the processes that users have."""
    os.environ |= {"DVDGAN_LAUNCHER": (run.root / "launcher").read_text(), "KEPT": str(run.root)}
    trainer = TrainerProcess(run)
    while (code := trainer.poll()) is None:
        time.sleep(0.02)
    return code


def write_without_end(run: RunFolder) -> int:
    """Write checkpoint after checkpoint."""
    remove_abandoned(run.checkpoints)
    staged, state = StagedCheckpoint(), STATE
    state.step = max(run.saved_steps(), default=0)
    while True:
        state.step += 1
        staged.stage(state)
        staged.write(run.checkpoint(state.step))


KINDS = {
    "trainer": train,
    "held": train_until_held,
    "jumpy": train_by_a_jumping_clock,
    "launched": train_by_a_launcher,
    "started": train_by_a_started_launcher,
    "keeping": train_as_a_keeping_rank,
    "slow": train_with_a_slow_disk,
    "writer": write_without_end,
}

Image.init()
gc.freeze()  # what is never looked through stays shared
for line in sys.stdin:
    kind, workers, log_file, folder = line.split()
    pid = os.fork()
    if pid == 0:
        log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ["DVDGAN_LOADER_WORKERS"] = workers
        os._exit(KINDS[kind](RunFolder(Path(folder))))
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
