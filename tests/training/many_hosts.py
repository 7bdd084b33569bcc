"""What the tests of launchers on many hosts share: a run that needs no evaluation, and its end."""

import os
import subprocess
import sys

from dvdgan.guard.run_folder import RunFolder
from dvdgan.storage.local import read_json, write_json

EVERY = 4
ENDLESS = {"steps": 2000, "batch_size": 2, "checkpoint_every": EVERY}


def finished(run: RunFolder) -> int:
    """Steps whose metrics are written."""
    return run.metrics.read_bytes().count(b"\n") if run.metrics.exists() else 0


def measure(run: RunFolder) -> None:
    """Write all evaluations beforehand, which a supervisor takes as its own, and have it judge no
    collapse: clips by twos at a high learning rate do collapse."""
    settings = read_json(run.settings)
    settings["train"]["guard"]["patience"] = ENDLESS["steps"]
    write_json(run.settings, settings)
    result = {"metrics": {"FID": 9.0, "FVD": 9.0, "IS": 1.0}, "health": {}}
    for step in range(EVERY, ENDLESS["steps"] + 1, EVERY):
        write_json(run.evaluation(step), result)
    far = {"metrics": {"FID": 99.0, "FVD": 99.0, "IS": 1.0}, "intervals": {"FVD": [98.0, 100.0]}}
    write_json(run.evaluation(0), {**far, "health": {}, "mean_clip": far})


def end_soon(run: RunFolder) -> int:
    """Have the trainers that start from now on end a little further; returns the last step."""
    steps = (finished(run) // EVERY + 3) * EVERY
    _set_steps(run, steps)
    return steps


def assert_as_on_one_host(run: RunFolder, alone: RunFolder, steps: int) -> None:
    """Every metric and weight of ``run`` is what two processes here arrive at, in ``alone``."""
    _set_steps(alone, steps)
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone")
    subprocess.run(
        [*launcher, "--nproc-per-node", "2", "-m", "dvdgan.training", str(alone.root)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
    )
    assert run.metrics.read_bytes() == alone.metrics.read_bytes()
    files = sorted(alone.checkpoint(steps).glob("*.safetensors"))
    assert files
    for path in files:
        assert (run.checkpoint(steps) / path.name).read_bytes() == path.read_bytes(), path.name


def _set_steps(run: RunFolder, steps: int) -> None:
    settings = read_json(run.settings)
    settings["train"]["steps"] = steps
    write_json(run.settings, settings)
