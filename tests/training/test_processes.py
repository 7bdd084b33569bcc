"""Several trainer processes do what one does with the whole batch, whoever launches them."""

import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_run import CLIP, MODEL, TRAIN
from torch import Tensor

from dvdgan.errors import EXIT_USER_ERROR
from dvdgan.guard.processes import TrainerProcess
from dvdgan.guard.run_folder import RunFolder, damage
from dvdgan.training.state import initial_state

NewRun = Callable[..., RunFolder]
STEPS = 3
KEEPING_RANK = Path(__file__).with_name("keeping_rank.py")
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
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEPT", str(run.root))
        patch.setenv("ACCELERATE_USE_CPU", "true")
        patch.setenv("DVDGAN_LAUNCHER", launcher)
        trainer = TrainerProcess(run)
        try:
            deadline = time.monotonic() + 240
            while trainer.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            return trainer.poll()
        finally:
            trainer.stop(grace=5)


def kept(run: RunFolder, rank: int = 0) -> dict[str, Tensor]:
    return load_file(run.root / f"rank{rank}.safetensors")


def test_two_and_three_processes_end_where_one_does(new_run: NewRun) -> None:
    """Batch 6 on 1, 2 and 3 processes, from 12 videos in 2 shards: weights, averaged weights, batch
    norm's statistics and power iterations, all to 1e-9 of each tensor's largest entry."""
    launchers = [
        f"{sys.executable} {KEEPING_RANK}",
        f"{ACCELERATE} 2 --main_process_port 0 {KEEPING_RANK}",
        f"{TORCHRUN} 3 {KEEPING_RANK}",
    ]
    runs = []
    for processes, launcher in enumerate(launchers, 1):
        run = new_run(f"of-{processes}", steps=STEPS, batch_size=6)
        assert run_with(run, launcher) == 0
        assert run.saved_steps() == [STEPS]
        assert damage(run.checkpoint(STEPS)) is None
        runs.append(run)
    one = kept(runs[0])
    begun = initial_state(CLIP, MODEL, TRAIN, 4, torch.device("cpu")).generator.state_dict()
    assert any(not torch.equal(one[f"generator {name}"].float(), begun[name]) for name in begun)
    for processes, run in enumerate(runs[1:], 2):
        for rank in range(processes):
            many = kept(run, rank)
            assert many.keys() == one.keys()
            for name, tensor in one.items():
                if name.startswith("average ") and "running_" in name and rank > 0:
                    continue  # of the sample sheets, which the first process alone makes
                if name.startswith("average ") and name.endswith("num_batches_tracked"):
                    continue
                scale = tensor.abs().max().item() + 1e-12
                torch.testing.assert_close(many[name], tensor, rtol=0, atol=1e-9 * scale, msg=name)


def test_a_batch_that_processes_and_parts_cannot_share_is_refused(
    new_run: NewRun, capfd: pytest.CaptureFixture[str]
) -> None:
    run = new_run("uneven", batch_size=6, accumulation=4)
    assert run_with(run, f"{sys.executable} -m") == EXIT_USER_ERROR
    told = capfd.readouterr().err
    assert "train.batch_size is 6, which 1 processes with train.accumulation = 4" in told
    assert "set train.batch_size to a multiple of 4" in told
    assert run.saved_steps() == []
