"""A node of a Slurm job loses its power: Slurm queues the job again, and it goes on elsewhere."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from many_hosts import EVERY, assert_as_on_one_host, finished, measure
from network_hosts import Host
from s3_server import ENVIRONMENT, s3_server, upload
from slurm_cluster import Slurm, slurm

from dvdgan.guard.run_folder import RunFolder
from dvdgan.storage.local import read_json

NewRun = Callable[..., RunFolder]
SUPERVISED = Path(__file__).with_name("supervised_run.py")
STEPS = 15 * EVERY

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with slurm(tmp_path_factory.mktemp("slurm"), nodes=4) as cluster:  # each test loses one
        yield cluster


def first_node(cluster: Slurm, job: str) -> Host:
    """The one with the supervisor."""
    return next(host for host in cluster.hosts if f"BatchHost={host.name} " in cluster.show(job))


def lose_the_first_node(
    cluster: Slurm,
    job: str,
    run_on: Callable[[Host], RunFolder],
    is_backed_up: Callable[[], bool] = lambda: True,
) -> tuple[RunFolder, RunFolder]:
    """Cut its power when the run has a checkpoint, and wait for the job's end on other nodes.

    Returns the run on the lost node and on the one that replaced it.
    """
    cluster.wait("not started", lambda: cluster.state(job) == "RUNNING")
    lost = first_node(cluster, job)
    cluster.wait("no checkpoint", lambda: run_on(lost).saved_steps() and is_backed_up())
    lost.kill_all()
    assert finished(run_on(lost)) < STEPS
    cluster.wait("not queued again", lambda: "Restarts=1" in cluster.show(job), 300)
    cluster.wait("no end", lambda: cluster.state(job) not in ("PENDING", "RUNNING", "COMPLETING"))
    assert cluster.state(job) == "COMPLETED", cluster.log
    new = first_node(cluster, job)
    assert new != lost
    return run_on(lost), run_on(new)


def submit(cluster: Slurm, *words: str, **variables: str) -> str:
    return cluster.run(
        *("sbatch", "--parsable", "--nodes", "2", "--output", f"{cluster.folder}/job-%j.out"),
        *words,
        **variables,
    )


def test_a_run_on_shared_files(cluster: Slurm, new_run: NewRun) -> None:
    sizes = {"steps": STEPS, "batch_size": 2, "checkpoint_every": EVERY}
    run, alone = new_run("shared", **sizes), new_run("alone", **sizes)
    measure(run)
    job = submit(cluster, "infra/slurm/train.sbatch", "python", str(SUPERVISED), str(run.root))
    lose_the_first_node(cluster, job, lambda host: run)
    assert finished(run) == STEPS
    assert_as_on_one_host(run, alone, STEPS)


def test_a_run_without_shared_files(cluster: Slurm, new_run: NewRun) -> None:
    """Each node has its own project folder; shards and backup are in a store."""
    sizes = {"steps": STEPS, "batch_size": 2, "checkpoint_every": EVERY}
    alone = new_run("alone", **sizes)

    def run_on(host: Host) -> RunFolder:
        return RunFolder(cluster.own_folder(host) / "run")

    def is_backed_up() -> bool:
        found = boto3.client("s3").list_objects_v2(Bucket="runs", Prefix="backup/run/")
        keys = [each["Key"] for each in found.get("Contents", [])]
        if "backup/run/copy.json" not in keys:
            return False
        index = boto3.client("s3").get_object(Bucket="runs", Key="backup/run/copy.json")
        return b"step-" in index["Body"].read()

    with s3_server("runs", cluster.address) as address:
        upload(Path(read_json(alone.settings)["shards"]), "runs", "shards")
        for host in cluster.hosts:
            run = run_on(host)
            run.root.mkdir()
            shutil.copy(alone.settings, run.settings)
            measure(run)
        job = submit(
            cluster,
            *("--chdir", str(cluster.own), "infra/slurm/train.sbatch"),
            *("python", str(SUPERVISED), "run"),
            **ENVIRONMENT,
            AWS_ENDPOINT_URL=address,
            DVDGAN_SHARDS="s3://runs/shards",
            DVDGAN_BACKUP="s3://runs/backup",
        )
        lost, resumed = lose_the_first_node(cluster, job, run_on, is_backed_up)
    assert "restored step" in (cluster.folder / f"job-{job}.out").read_text()
    assert finished(lost) < STEPS == finished(resumed)
    saved = [host for host in cluster.hosts if run_on(host).saved_steps()]
    assert len(saved) == 2
    assert_as_on_one_host(resumed, alone, STEPS)
