"""Real trainer processes: killed, asked to stop, resumed, poisoned, and two at once."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import torch
from safetensors.torch import load_file
from tiny_run import CLIP, MODEL, TRAIN

from dvdgan.errors import EXIT_INTERRUPTED
from dvdgan.guard.processes import TrainerProcess
from dvdgan.guard.run_folder import EXIT_NON_FINITE, RunFolder
from dvdgan.storage.local import read_json
from dvdgan.training.checkpoint import save_checkpoint
from dvdgan.training.runtime import Runtime
from dvdgan.training.state import initial_state

NewRun = Callable[..., RunFolder]
LAST = 24


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.delenv("DVDGAN_LAUNCHER", raising=False)
        yield


def finish(run: RunFolder) -> int:
    return subprocess.run([sys.executable, "-m", "dvdgan.training", str(run.root)]).returncode


def finished_steps(run: RunFolder) -> int:
    return run.metrics.read_bytes().count(b"\n") if run.metrics.exists() else 0


def wait_for(condition: Callable[[], bool], seconds: float = 240.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def interrupt(run: RunFolder, at_step: int, how: Callable[[TrainerProcess], object]) -> int | None:
    """Train until ``at_step`` is in the telemetry, then stop the trainer; the exit code."""
    trainer = TrainerProcess(run)
    try:
        assert wait_for(lambda: finished_steps(run) >= at_step or trainer.poll() is not None)
        assert trainer.poll() is None, "the trainer ended before its time"
        how(trainer)
        assert wait_for(lambda: trainer.poll() is not None)
        return trainer.poll()
    finally:
        trainer.stop(grace=1)


def kill(trainer: TrainerProcess) -> None:
    trainer._process.kill()


def ctrl_c(trainer: TrainerProcess) -> None:
    trainer._process.send_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def unbroken(new_run: NewRun) -> RunFolder:
    run = new_run("unbroken")
    assert finish(run) == 0
    return run


def test_a_run_killed_and_stopped_repeats_the_unbroken_one(
    new_run: NewRun, unbroken: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = new_run("broken")
    assert interrupt(broken, 6, kill) == -signal.SIGKILL
    assert interrupt(broken, 10, TrainerProcess.stop) == EXIT_INTERRUPTED  # SIGTERM
    saved = broken.saved_steps()[-1]
    assert saved == finished_steps(broken)
    assert 10 <= saved < LAST
    assert interrupt(broken, saved + 2, ctrl_c) == EXIT_INTERRUPTED
    assert f"resumed from step-{saved:08d}" in capfd.readouterr().out
    assert finish(broken) == 0

    assert broken.metrics.read_bytes() == unbroken.metrics.read_bytes()
    assert finished_steps(unbroken) == LAST
    for path in sorted(unbroken.checkpoint(LAST).iterdir()):
        same = broken.checkpoint(LAST) / path.name
        assert same.read_bytes() == path.read_bytes(), path.name
    for path in unbroken.samples.iterdir():
        assert (broken.samples / path.name).read_bytes() == path.read_bytes(), path.name
    first = load_file(unbroken.checkpoint(4) / "generator.safetensors")
    last = load_file(unbroken.checkpoint(LAST) / "generator.safetensors")
    assert any(not torch.equal(first[name], last[name]) for name in first)


def test_a_number_that_is_not_finite_ends_the_trainer_and_says_which(new_run: NewRun) -> None:
    run = new_run("poisoned")
    state = initial_state(CLIP, MODEL, TRAIN, 4, torch.device("cpu"))
    state.step = 4
    torch.nn.init.constant_(state.generator.output.bias, float("nan"))
    save_checkpoint(state, run.checkpoint(4), conditions=Runtime.start().conditions())
    assert finish(run) == EXIT_NON_FINITE
    failure = read_json(run.failure)
    assert failure["step"] == 5
    assert "generator_loss" in failure["what"]
    assert "not finite at step 5" in failure["what"]
    assert run.saved_steps() == [4]
    assert finished_steps(run) == 0
