"""infra/slurm without a Slurm: what its scripts ask for, and how a container reaches srun.

tests/training/test_slurm.py runs them on a Slurm.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from dvdgan.config import load_config

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "infra" / "slurm"
OUTSIDE = SCRIPTS / "outside.sh"

# Runs the command behind its options, on "nodes" of this machine.
SRUN = 'echo "srun $*"; while [ "$1" != env ]; do shift; done; exec "$@"'
# Runs the command behind the image and the script that makes a work tree.
APPTAINER = (
    'echo "apptainer $*"; while [ "${1%work_tree.sh}" = "$1" ]; do shift; done; shift; exec "$@"'
)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with an srun that prints its words and an scontrol that knows one node."""
    write_tools(tmp_path, srun='echo "$@"', scontrol="echo first")
    return tmp_path


def write_tools(folder: Path, **tools: str) -> None:
    for name, line in tools.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(stat.S_IRWXU)


def environment(path: Path, **variables: str) -> dict[str, str]:
    own = (str(path), str(Path(sys.executable).parent), os.environ["PATH"])
    return {
        "PATH": os.pathsep.join(own),
        "SLURM_JOB_NODELIST": "first",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_JOB_ID": "4711",
    } | variables


def run(script: str, *words: str, path: Path, **variables: str) -> str:
    return subprocess.run(
        ["bash", str(SCRIPTS / script), *words],
        env=environment(path, **variables),
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
    ).stdout


def endpoint(tools: Path, job: str) -> str:
    launcher = run("train.sbatch", "printenv", "DVDGAN_LAUNCHER", path=tools, SLURM_JOB_ID=job)
    words = launcher.split()
    return words[words.index("--endpoint") + 1]


def test_shellcheck_finds_nothing() -> None:
    files = sorted(path for path in SCRIPTS.iterdir())
    done = subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_sbatch_takes_every_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("sbatch") is None:
        pytest.skip("no sbatch here: it comes with slurm-client")
    text = (SCRIPTS / "train.sbatch").read_text("utf-8")
    options = re.findall(r"^#SBATCH (.+)$", text, re.MULTILINE)
    assert len(options) == 7
    (tmp_path / "slurm.conf").write_text("ClusterName=none\nSlurmctldHost=none(127.0.0.1)\n")
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    assert is_taken(*options)
    assert not is_taken(*options, "--signals=B:USR1@180")
    assert not is_taken(*options, "--signal=B:USR3@180")


def is_taken(*options: str) -> bool:
    """Whether sbatch reads ``options``, in order, until --version ends it."""
    return subprocess.run(["sbatch", *options, "--version"], capture_output=True).returncode == 0


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
    words = run("train.sbatch", "--on-all-nodes", "python", path=tools).split()
    assert words[-1] == "python"
    assert "--cpus-per-task" not in words
    assert words[words.index("--mem") + 1] == "0"
    assert words[words.index("--cpu-bind") + 1] == "none"


def test_the_cores_that_sbatch_was_given_reach_the_ranks(tools: Path) -> None:
    words = run(
        *("train.sbatch", "--on-all-nodes", "python"), path=tools, SLURM_CPUS_PER_TASK="64"
    ).split()
    assert words[words.index("--cpus-per-task") + 1] == "64"


def test_a_node_has_a_trainer_for_each_of_its_gpus_or_as_many_as_asked(tools: Path) -> None:
    for variables, count in (
        ({}, "1"),
        ({"SLURM_GPUS_ON_NODE": "8"}, "8"),
        ({"SLURM_GPUS_ON_NODE": "8", "DVDGAN_NODE_PROCESSES": "4"}, "4"),
    ):
        words = run("train.sbatch", "printenv", "DVDGAN_LAUNCHER", path=tools, **variables).split()
        assert words[words.index("--processes") + 1] == count


def in_container(folder: Path, command: str, **variables: str) -> "subprocess.Popen[str]":
    """train.sbatch with an image, and ``command`` as the supervisor in it."""
    write_tools(
        folder, srun=SRUN, scontrol="echo first", apptainer=APPTAINER, squeue="echo RUNNING"
    )
    return subprocess.Popen(
        ["bash", SCRIPTS / "train.sbatch", "bash", "-c", command],
        env=environment(folder, DVDGAN_IMAGE="/images/dvdgan.sif", PYTHONPATH="/host", **variables),
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def test_a_launcher_in_a_container_has_its_command_run_outside(tmp_path: Path) -> None:
    command = (
        f"export DVDGAN_PROCESS_TAG=tag; cd {tmp_path}; "
        f"{OUTSIDE} bash -c 'echo \"$DVDGAN_PROCESS_TAG:$PYTHONPATH:$PWD:$0\"; exit 7' 'two words'"
    )
    job = in_container(tmp_path, command, SLURM_GPUS_ON_NODE="8")
    printed = job.communicate(timeout=60)[0]
    assert job.returncode == 7, printed
    assert f"tag::{tmp_path}:two words" in printed
    started = [line for line in printed.splitlines() if line.startswith("apptainer exec")]
    assert len(started) == 2  # the supervisor, and the trainers below srun
    for line in started:
        assert f"--nv --bind {ROOT} --pwd {ROOT} /images/dvdgan.sif" in line


def test_trainers_are_stopped_when_the_launcher_in_the_container_is_killed(tmp_path: Path) -> None:
    ready, stopped = tmp_path / "ready", tmp_path / "stopped"
    trainer = f"trap 'echo saved >{stopped}; exit' USR1; : >{ready}; while :; do sleep 0.1; done"
    write_tools(tmp_path, trainer=trainer)
    command = f"{OUTSIDE} {tmp_path}/trainer & until [ -e {ready} ]; do sleep 0.1; done; kill -9 $!"
    job = in_container(tmp_path, command)
    job.communicate(timeout=60)
    deadline = time.monotonic() + 20
    while not stopped.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def variant(folder: Path, task: int, *files: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [SCRIPTS / "variant.sh", *files],
        env=environment(folder, SLURM_ARRAY_TASK_ID=str(task), SEEDS="2"),
        cwd=folder,
        text=True,
        capture_output=True,
        check=False,
    )


def test_tasks_of_an_array_train_each_file_with_each_seed_in_folders_of_their_own(
    tmp_path: Path,
) -> None:
    write_tools(tmp_path, dvdgan="pwd")
    files = [ROOT / "presets" / f"fig7_{name}.yaml" for name in ("k1", "k8")]
    with ThreadPoolExecutor(4) as tasks:
        done = list(tasks.map(lambda task: variant(tmp_path, task, *files), range(4)))
    for task, (name, seed) in enumerate((("k1", 0), ("k1", 1), ("k8", 0), ("k8", 1))):
        tree = tmp_path / ".runs" / "ablation" / f"fig7_{name}-seed{seed}"
        assert done[task].stdout.strip() == str(tree)
        expected = load_config(ROOT / "presets" / f"fig7_{name}.yaml").model_dump()
        expected["train"]["seed"] = seed
        assert load_config(tree / "params.yaml").model_dump() == expected
        assert (tree / "artifacts" / "shards").readlink() == tmp_path / "artifacts" / "shards"
    refused = variant(tmp_path, 4, *files)
    assert refused.returncode == 2
    assert "submit with --array 0-3" in refused.stderr


def test_a_task_of_an_array_has_its_seed_in_any_layout_and_the_machine_file_of_the_folder(
    tmp_path: Path,
) -> None:
    write_tools(tmp_path, dvdgan="cat params.yaml machine.yaml")
    params = tmp_path / "four.yaml"
    params.write_text("index:\n    seed: 7\ntrain: {steps: 3, seed: 5}\n")
    (tmp_path / "machine.yaml").write_text("retention:\n  keep_last: 4\n")
    done = variant(tmp_path, 1, params)
    read = YAML(typ="safe").load(done.stdout)
    assert read == {
        "index": {"seed": 7},
        "train": {"steps": 3, "seed": 1},
        "retention": {"keep_last": 4},
    }
    (tmp_path / "machine.yaml").unlink()
    variant(tmp_path, 1, params)
    assert not (tmp_path / ".runs/ablation/four-seed1/machine.yaml").is_symlink()


def test_params_files_of_one_name_do_not_share_a_work_tree(tmp_path: Path) -> None:
    write_tools(tmp_path, dvdgan="pwd")
    refused = variant(tmp_path, 0, Path("a/one.yaml"), Path("b/one.yaml"), Path("two.yaml"))
    assert refused.returncode == 2
    assert "several params files are named one.yaml and" in refused.stderr
    assert not (tmp_path / ".runs").exists()
