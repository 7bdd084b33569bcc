"""Several trainer processes do what one does with the whole batch, whoever launches them."""

import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file
from same_weights import assert_same_weights
from tiny_run import CLIP, MODEL, TRAIN
from torch import Tensor
from trainer_processes import Nursery, await_checkpoint

from dvdgan.errors import EXIT_USER_ERROR
from dvdgan.guard.run_folder import RunFolder, verify_checkpoint
from dvdgan.guard.trainer_process import TrainerProcess
from dvdgan.storage.local import read_json, write_json
from dvdgan.training.state import initial_state

NewRun = Callable[..., RunFolder]
SIZES = {"steps": 4, "batch_size": 6, "checkpoint_every": 1}
CHECKPOINTING_RANK = Path(__file__).with_name("checkpointing_rank.py")
TORCHRUN = f"{sys.executable} -m torch.distributed.run --standalone --nproc-per-node"
ACCELERATE = f"{sys.executable} -m accelerate.commands.launch --multi_gpu --num_processes"


@pytest.fixture(autouse=True)
def launchers_may_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    try:
        socket.create_server(("127.0.0.1", 0)).close()
    except OSError as error:
        pytest.skip(f"a launcher cannot listen here: {error}")


def run_with(run: RunFolder, launcher: str) -> int | None:
    """Start trainers and await their end; the launcher's exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEPT", str(run.root))
        patch.setenv("ACCELERATE_USE_CPU", "true")
        patch.setenv("DVDGAN_LAUNCHER", launcher)
        trainer = TrainerProcess(run)
        try:
            deadline = time.monotonic() + 240
            while trainer.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            return trainer.poll()
        finally:
            trainer.stop(grace=5)


def kept(run: RunFolder, rank: int = 0) -> dict[str, Tensor]:
    return load_file(run.root / f"rank{rank}.safetensors")


@pytest.fixture(scope="module")
def one(new_run: NewRun, nursery: Nursery) -> dict[str, Tensor]:
    """What one process ends with that sees the whole batch."""
    run = new_run("of-1", **SIZES)
    nursery.begin("keeping", run)
    assert nursery.ended() == 0, (run.root / "output.log").read_text()
    found = kept(run)
    begun = initial_state(CLIP, MODEL, TRAIN, 4, torch.device("cpu")).generator.state_dict()
    assert any(not torch.equal(found[f"generator {name}"].float(), begun[name]) for name in begun)
    return found


@pytest.mark.parametrize(
    ("processes", "launcher"),
    [
        pytest.param(2, f"{ACCELERATE} 2 --main_process_port 0", marks=pytest.mark.long),
        pytest.param(3, f"{TORCHRUN} 3", marks=pytest.mark.long),
    ],
    ids=["accelerate-2", "torchrun-3"],
)
def test_several_processes_end_where_one_does(
    new_run: NewRun, one: dict[str, Tensor], processes: int, launcher: str
) -> None:
    """With 12 videos in 2 shards, so that there are fewer shards than processes."""
    run = new_run(f"of-{processes}", **SIZES)
    assert run_with(run, f"{launcher} {CHECKPOINTING_RANK}") == 0
    assert run.saved_steps()[-1] == SIZES["steps"]
    assert verify_checkpoint(run.checkpoint(SIZES["steps"])) is None
    for rank in range(processes):
        assert_same_weights(kept(run, rank), one, rank)


@pytest.mark.parametrize("kind", ["launched", pytest.param("started", marks=pytest.mark.long)])
def test_a_killed_process_brings_the_job_back_and_fewer_processes_go_on(
    new_run: NewRun, one: dict[str, Tensor], nursery: Nursery, kind: str
) -> None:
    """One of two ranks is killed: both are started again. The last step is one process's."""
    run = new_run("rank-killed", **SIZES | {"steps": SIZES["steps"] - 1})
    elastic = f"{TORCHRUN} 2 --max-restarts 3 --monitor-interval 0.2 {CHECKPOINTING_RANK}"
    (run.root / "launcher").write_text(elastic)
    parent = nursery.begin(kind, run)
    await_checkpoint(run, 1)
    [agent] = psutil.Process(parent).children()
    agent.children()[-1].kill()
    assert nursery.ended() == 0, (run.root / "output.log").read_text()
    assert "resumed from step-" in (run.root / "output.log").read_text()
    for rank in range(2):
        assert kept(run, rank).keys() == one.keys()

    settings = read_json(run.settings)
    settings["train"]["steps"] = SIZES["steps"]
    write_json(run.settings, settings)
    nursery.begin("keeping", run)
    assert nursery.ended() == 0
    told = (run.root / "output.log").read_text()
    assert "now 1 processes instead of 2" in told and "bit-identical" in told
    assert_same_weights(kept(run), one, 0)


def test_a_batch_that_processes_and_parts_cannot_share_is_refused(
    new_run: NewRun, nursery: Nursery
) -> None:
    run = new_run("uneven", batch_size=6, accumulation=4)
    nursery.begin("trainer", run)
    assert nursery.ended() == EXIT_USER_ERROR
    told = (run.root / "output.log").read_text()
    assert "evenly among 1 processes with train.accumulation = 4" in told
    assert "set train.batch_size to a multiple of 4" in told
    assert "Traceback" not in told
    assert run.saved_steps() == []
