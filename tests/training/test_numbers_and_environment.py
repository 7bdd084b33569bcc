"""Real trainers under accelerate's and torch's variables: refused, or the same bytes."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from trainer_processes import Nursery

from dvdgan.guard.run_folder import MANIFEST, RunFolder

NewRun = Callable[..., RunFolder]
STEPS = 1
SIZES = {"steps": STEPS, "checkpoint_every": STEPS, "preview_every": STEPS}


def train(run: RunFolder, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if "ACCELERATE" not in name}
    environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""} | variables
    command = [sys.executable, "-m", "dvdgan.training", str(run.root)]
    return subprocess.run(command, env=environment, text=True, capture_output=True)


WRAPPED = """
import torch
from dvdgan.training.runtime import Runtime
network = torch.nn.Linear(8, 8)
wrapped = Runtime.start().wrap(network)
assert wrapped is network, wrapped
clips = torch.randn(4, 8)
assert torch.equal(wrapped(clips), torch.nn.functional.linear(clips, network.weight, network.bias))
assert torch.get_float32_matmul_precision() == "highest"
"""


def test_accelerate_is_given_what_it_would_read_from_the_environment() -> None:
    variables = {
        "ACCELERATE_MIXED_PRECISION": "bf16",
        "ACCELERATE_DYNAMO_BACKEND": "EAGER",
        "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1",
    }
    command = [sys.executable, "-c", WRAPPED]
    subprocess.run(command, env=os.environ | variables, check=True)


@pytest.mark.long
def test_numbers_are_the_params_whatever_agrees_with_them(
    new_run: NewRun, nursery: Nursery
) -> None:
    """In bf16 by the params; accelerate, told the same, would run the networks in it once more."""
    plain, told = (new_run(name, precision="bf16", **SIZES) for name in "ab")
    nursery.begin("trainer", plain)
    ended = train(
        told,
        ACCELERATE_MIXED_PRECISION="bf16",
        TORCH_ALLOW_TF32_CUBLAS_OVERRIDE="1",
    )
    assert ended.returncode == 0, ended.stderr
    assert nursery.ended() == 0
    manifests = [(run.checkpoint(STEPS) / MANIFEST).read_bytes() for run in (plain, told)]
    assert manifests[0] == manifests[1]
    assert plain.metrics.read_bytes() == told.metrics.read_bytes()


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        (
            ("--mixed_precision", "bf16"),
            "ACCELERATE_MIXED_PRECISION is 'bf16', but train.precision is fp32",
        ),
        pytest.param(
            ("--mixed_precision", "bf16", "--dynamo_backend", "inductor"),
            "ACCELERATE_DYNAMO_BACKEND is 'INDUCTOR', which compiles the networks",
            marks=pytest.mark.long,
        ),
    ],
    ids=["precision", "compiler"],
)
def test_another_precision_and_a_compiler_are_refused_in_words(
    new_run: NewRun, nursery: Nursery, options: tuple[str, ...], refusal: str
) -> None:
    """Given to accelerate launch, which hands them on in the environment.

    Where its config file says nothing else, it says `no`: tests/training/test_processes.py.
    """
    run = new_run("contradicted", **SIZES)
    launcher = f"{sys.executable} -m accelerate.commands.launch --cpu --num_processes 1"
    (run.root / "launcher").write_text(" ".join([launcher, *options, "-m"]))
    nursery.begin("launched", run)
    assert nursery.ended() != 0
    assert refusal in (run.root / "output.log").read_text()
    assert not run.metrics.exists()
    assert run.saved_steps() == []
