"""infra/slurm without a Slurm: what the scripts ask for. tests/training/test_slurm.py runs them."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "infra" / "slurm"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with an srun that prints its words and an scontrol that knows one node."""
    for name, line in (("srun", 'echo "$@"'), ("scontrol", "echo first")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(stat.S_IRWXU)
    return tmp_path


def run(script: str, *words: str, path: Path, **variables: str) -> str:
    environment = {
        "PATH": f"{path}{os.pathsep}{os.environ['PATH']}",
        "SLURM_SUBMIT_DIR": str(ROOT),
        "SLURM_JOB_NODELIST": "first",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_JOB_ID": "4711",
    }
    return subprocess.run(
        ["bash", str(SCRIPTS / script), *words],
        env=environment | variables,
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
    ).stdout


def endpoint(tools: Path, job: str) -> str:
    launcher = run("train.sbatch", "printenv", "DVDGAN_LAUNCHER", path=tools, SLURM_JOB_ID=job)
    words = launcher.split()
    return words[words.index("--endpoint") + 1]


def test_two_jobs_on_one_node_meet_at_different_ports(tools: Path) -> None:
    found = {endpoint(tools, str(job)) for job in (4711, 4712, 29999, 30000, 1_000_000)}
    assert len(found) == 5
    for each in found:
        host, _, port = each.partition(":")
        assert host == "first"
        assert 1024 < int(port) < 32768


def test_a_job_has_the_cores_and_the_memory_of_its_nodes(tools: Path) -> None:
    directives = (SCRIPTS / "train.sbatch").read_text("utf-8").splitlines()
    assert {"#SBATCH --exclusive", "#SBATCH --mem=0"} <= set(directives)
    words = run("on_all_nodes.sh", "python", path=tools).split()
    assert words[-1] == "python"
    assert "--cpus-per-task" not in words
    assert words[words.index("--mem") + 1] == "0"
    assert words[words.index("--cpu-bind") + 1] == "none"


def test_the_cores_that_sbatch_was_given_reach_the_ranks(tools: Path) -> None:
    words = run("on_all_nodes.sh", "python", path=tools, SLURM_CPUS_PER_TASK="64").split()
    assert words[words.index("--cpus-per-task") + 1] == "64"
