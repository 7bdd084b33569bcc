"""The DVDGAN_ variables: defaults, meanings, and what is refused."""

import sys
from pathlib import Path

import pytest

from dvdgan.errors import UserError
from dvdgan.guard.environment import RunEnvironment


def test_the_defaults() -> None:
    plain = RunEnvironment(
        launcher=(sys.executable, "-m"),
        loader_workers=0,
        backup=None,
        backup_bytes_per_second=None,
        keep_last=2,
        keep_every=None,
        trackers=(),
        shards=None,
        shard_cache=None,
        shard_cache_bytes=10_000_000_000,
        evaluation_device=None,
        failed_evaluations=3,
        evaluation_worker=False,
        approve_rollbacks=False,
        nodes=(),
        node_processes=1,
        lost_node="wait",
        node_timeout=120.0,
    )
    assert RunEnvironment.from_environment({}) == plain
    empty = {"DVDGAN_BACKUP": " ", "DVDGAN_KEEP_LAST": "", "DVDGAN_LAUNCHER": ""}
    assert RunEnvironment.from_environment(empty) == plain


def test_all_of_them_set() -> None:
    variables = {
        "DVDGAN_LAUNCHER": "torchrun --nproc-per-node 8 -m",
        "DVDGAN_LOADER_WORKERS": "4",
        "DVDGAN_BACKUP": "s3://runs/kinetics",
        "DVDGAN_BACKUP_MBPS": "2.5",
        "DVDGAN_KEEP_LAST": "1",
        "DVDGAN_KEEP_EVERY": "5000",
        "DVDGAN_TRACKERS": "wandb, tensorboard,wandb,",
        "DVDGAN_SHARDS": "s3://videos/shards",
        "DVDGAN_SHARD_CACHE": "/scratch/shards",
        "DVDGAN_SHARD_CACHE_GB": "2.5",
        "DVDGAN_EVALUATION_DEVICE": "cuda:1",
        "DVDGAN_FAILED_EVALUATIONS": "10",
        "DVDGAN_EVALUATION_WORKER": "1",
        "DVDGAN_APPROVE_ROLLBACKS": "1",
        "DVDGAN_NODES": "node0=10.77.0.1, gpu-1.rack=fd00::2",
        "DVDGAN_NODE_PROCESSES": "8",
        "DVDGAN_LOST_NODE": "go_on",
        "DVDGAN_NODE_TIMEOUT": "60",
    }
    assert RunEnvironment.from_environment(variables) == RunEnvironment(
        launcher=("torchrun", "--nproc-per-node", "8", "-m"),
        loader_workers=4,
        backup="s3://runs/kinetics",
        backup_bytes_per_second=2_500_000.0,
        keep_last=1,
        keep_every=5000,
        trackers=("wandb", "tensorboard"),
        shards="s3://videos/shards",
        shard_cache=Path("/scratch/shards"),
        shard_cache_bytes=2_500_000_000,
        evaluation_device="cuda:1",
        failed_evaluations=10,
        evaluation_worker=True,
        approve_rollbacks=True,
        nodes=(("node0", "10.77.0.1"), ("gpu-1.rack", "fd00::2")),
        node_processes=8,
        lost_node="go_on",
        node_timeout=60.0,
    )


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("DVDGAN_LOADER_WORKERS", "-1", "a whole number, 0 or more"),
        ("DVDGAN_LOADER_WORKERS", "two", "a whole number, 0 or more"),
        ("DVDGAN_KEEP_LAST", "0", "a whole number, 1 or more"),
        ("DVDGAN_KEEP_EVERY", "1.5", "a whole number, 1 or more"),
        ("DVDGAN_BACKUP_MBPS", "0", "megabytes per second above 0"),
        ("DVDGAN_BACKUP_MBPS", "fast", "megabytes per second above 0"),
        ("DVDGAN_BACKUP_MBPS", "nan", "megabytes per second above 0"),
        ("DVDGAN_SHARD_CACHE_GB", "0", "a number of gigabytes above 0"),
        ("DVDGAN_SHARD_CACHE_GB", "10G", "a number of gigabytes above 0"),
        ("DVDGAN_EVALUATION_DEVICE", "gpu1", "cpu, cuda, or cuda:1 for the second GPU"),
        ("DVDGAN_FAILED_EVALUATIONS", "0", "a whole number, 1 or more"),
        ("DVDGAN_EVALUATION_WORKER", "gpu1", "1 or 0"),
        ("DVDGAN_APPROVE_ROLLBACKS", "yes", "1 or 0"),
        ("DVDGAN_NODES", "node0", "list of NAME=ADDRESS, each node once"),
        ("DVDGAN_NODES", "node0=10.0.0.1,node0=10.0.0.2", "each node once"),
        ("DVDGAN_NODES", "node0=10.0.0.1,node1=10.0.0.1", "each node once"),
        ("DVDGAN_NODES", "../node=10.0.0.1", "NAME=ADDRESS"),
        ("DVDGAN_LOST_NODE", "hope", "wait or go_on"),
        ("DVDGAN_NODE_TIMEOUT", "1", "a whole number, 5 or more"),
        ("DVDGAN_NODE_PROCESSES", "0", "a whole number, 1 or more"),
        ("DVDGAN_TRACKERS", "tensorbord", "tensorboard, dvclive, wandb"),
    ],
)
def test_a_refusal_names_the_variable_its_value_and_what_it_may_be(
    name: str, value: str, allowed: str
) -> None:
    with pytest.raises(UserError) as raised:
        RunEnvironment.from_environment({name: value})
    for part in (name, repr(value), allowed):
        assert part in str(raised.value)


def test_nobody_can_approve_without_prefect() -> None:
    RunEnvironment.from_environment({}).refuse_without_prefect()
    with pytest.raises(UserError, match="rollbacks cannot be approved"):
        RunEnvironment.from_environment({"DVDGAN_APPROVE_ROLLBACKS": "1"}).refuse_without_prefect()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("DVDGAN_MIRROR", "DVDGAN_BACKUP"),
        ("DVDGAN_MIRROR_MBPS", "DVDGAN_BACKUP_MBPS"),
        ("DVDGAN_ASK_BEFORE_ROLLBACK", "DVDGAN_APPROVE_ROLLBACKS"),
    ],
)
def test_a_name_of_version_0_1_is_refused_with_the_new_one(old: str, new: str) -> None:
    with pytest.raises(UserError) as raised:
        RunEnvironment.from_environment({old: "1", new: "1"})
    assert f"{old} is called {new} now" in str(raised.value)
    assert f"the environment variable {old}" in str(raised.value)
    RunEnvironment.from_environment({old: " "})  # empty: not set
