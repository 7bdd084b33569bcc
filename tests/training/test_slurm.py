"""infra/slurm/train.sbatch on a real Slurm: two nodes train, are warned, come back, cancelled."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from many_hosts import ENDLESS, assert_as_on_one_host, end_soon, finished, measure
from slurm_cluster import PROJECT, Slurm, slurm

from dvdgan.guard.run_folder import RunFolder
from dvdgan.storage.local import read_json

NewRun = Callable[..., RunFolder]
SUPERVISED = Path(__file__).with_name("supervised_run.py")

# A busy machine takes ten times as long.
pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with slurm(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


def submit(cluster: Slurm, run: RunFolder, container: bool) -> str:
    """The id of a new job of two nodes that trains ``run``."""
    words = ["--parsable", "--nodes", "2", "--output", f"{cluster.folder}/job-%j.out"]
    script, variables = SUPERVISED, {}
    if container:
        # The stand-in for apptainer next to this file; the folder is not the code's.
        image, folder = cluster.folder / "dvdgan.sif", cluster.folder / "project"
        image.write_text(str(PROJECT))
        folder.mkdir(exist_ok=True)
        words += ["--chdir", str(folder)]
        path = f"{SUPERVISED.parent}{os.pathsep}{cluster.environment['PATH']}"
        variables = {"DVDGAN_IMAGE": str(image), "PATH": path}
        script = Path("/opt/dvdgan") / SUPERVISED.relative_to(PROJECT)
    words += ["infra/slurm/train.sbatch", "python", str(script), str(run.root)]
    return cluster.run("sbatch", *words, **variables)


def is_left(cluster: Slurm) -> bool:
    return any(host.running("dvdgan.training") for host in cluster.hosts)


@pytest.mark.parametrize("container", [False, True])
def test_a_job_is_warned_queued_again_cancelled_and_goes_on(
    cluster: Slurm, new_run: NewRun, container: bool
) -> None:
    run, alone = new_run("slurm", **ENDLESS), new_run("alone", **ENDLESS)
    measure(run)
    job = submit(cluster, run, container)
    cluster.wait("no checkpoint", lambda: run.saved_steps())
    for host in cluster.hosts:
        assert host.running("dvdgan.training")

    # What Slurm sends before the time limit: saved, and the job waits for its turn again.
    cluster.run("scancel", "--batch", "--signal", "USR1", job)
    cluster.wait("the warning had no effect", run.interrupted.exists, 60)
    saved = read_json(run.interrupted)["step"]
    assert run.saved_steps()[-1] == saved
    cluster.wait(
        "not queued again", lambda: "Restarts=1" in cluster.run("scontrol", "show", "job", job)
    )
    cluster.wait("not resumed", lambda: finished(run) > saved)

    # Cancelled: saved too, and not queued again.
    cluster.run("scancel", job)
    cluster.wait("the job does not end", lambda: cluster.state(job) == "CANCELLED")
    cluster.wait("trainers live on", lambda: not is_left(cluster), 60)
    saved = read_json(run.interrupted)["step"]
    assert run.saved_steps()[-1] == saved == finished(run)

    steps = end_soon(run)
    job = submit(cluster, run, container)
    cluster.wait("no end", lambda: cluster.state(job) not in ("PENDING", "RUNNING"))
    assert cluster.state(job) == "COMPLETED", cluster.log
    assert finished(run) == steps
    assert_as_on_one_host(run, alone, steps)
