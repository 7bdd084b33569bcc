"""The machine file and its variables: defaults, meanings, precedence, and what is refused."""

import sys
from pathlib import Path
from typing import Any

import pytest

from dvdgan.errors import UserError
from dvdgan.machine import Machine
from dvdgan.machine.keys import (
    KEYS,
    Devices,
    Evaluations,
    Launch,
    Nodes,
    PrefectServer,
    Retention,
    Stores,
)

# Of every key: its value in the file, the text of its variable, another text, and what the file's
# and the variable's value is for the program.
VALUES: dict[str, tuple[str, str, str, Any]] = {
    "launch.launcher": (
        "torchrun --nproc-per-node 8 -m",
        "torchrun --nproc-per-node 8 -m",
        "python -m",
        ("torchrun", "--nproc-per-node", "8", "-m"),
    ),
    "launch.loader_workers": ("4", "4", "0", 4),
    "nodes.hosts": (
        "{node0: 10.77.0.1, gpu-1.rack: 'fd00::2'}",
        "node0=10.77.0.1, gpu-1.rack=fd00::2",
        "node9=10.0.0.9",
        (("node0", "10.77.0.1"), ("gpu-1.rack", "fd00::2")),
    ),
    "nodes.processes": ("8", "8", "2", 8),
    "nodes.lost": ("go_on", "go_on", "wait", "go_on"),
    "nodes.timeout": ("60", "60", "61", 60),
    "devices.evaluation": ("cuda:1", "cuda:1", "cpu", "cuda:1"),
    "stores.shards": ("s3://videos/shards", "s3://videos/shards", "/mnt/s", "s3://videos/shards"),
    "stores.shard_cache": ("/scratch/shards", "/scratch/shards", "/b", Path("/scratch/shards")),
    "stores.shard_cache_gb": ("2.5", "2.5", "3", 2.5),
    "stores.backup": ("s3://runs/kinetics", "s3://runs/kinetics", "/b", "s3://runs/kinetics"),
    "stores.backup_mbps": ("20", "20", "3", 20.0),
    "retention.keep_last": ("1", "1", "5", 1),
    "retention.keep_every": ("5000", "5000", "7", 5000),
    "evaluation.worker": ("true", "1", "0", True),
    "evaluation.failed_evaluations": ("10", "10", "4", 10),
    "prefect.api_url": (
        "http://head:4200/api",
        "http://head:4200/api",
        "https://other/api",
        "http://head:4200/api",
    ),
    "prefect.approve_rollbacks": ("true", "1", "0", True),
    "prefect.files_url": ("http://head:4201", "http://head:4201", "http://b", "http://head:4201"),
    "trackers": (
        "[wandb, tensorboard]",
        "wandb, tensorboard,wandb,",
        "dvclive",
        ("wandb", "tensorboard"),
    ),
}


def value(machine: Machine, name: str) -> Any:
    """The value of a dotted key."""
    found: Any = machine
    for part in name.split("."):
        found = getattr(found, part)
    return found


def written(name: str, yaml: str) -> str:
    """A machine file with one key."""
    section, dot, key = name.rpartition(".")
    return f"{section}:\n  {key}: {yaml}\n" if dot else f"{key}: {yaml}\n"


@pytest.fixture
def machine_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of machine.yaml in the working folder, where it does not exist yet."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "machine.yaml"


def refusal(**variables: str) -> str:
    with pytest.raises(UserError) as raised:
        Machine.load(variables=variables)
    return str(raised.value)


def test_the_defaults(machine_file: Path) -> None:
    plain = Machine(
        launch=Launch(launcher=(sys.executable, "-m"), loader_workers=0),
        nodes=Nodes(hosts=(), processes=1, lost="wait", timeout=120),
        devices=Devices(evaluation=None),
        stores=Stores(
            shards=None, shard_cache=None, shard_cache_gb=10.0, backup=None, backup_mbps=None
        ),
        retention=Retention(keep_last=2, keep_every=None),
        evaluation=Evaluations(worker=False, failed_evaluations=3),
        prefect=PrefectServer(api_url=None, approve_rollbacks=False, files_url=None),
        trackers=(),
    )
    assert Machine.load(variables={}) == plain
    assert plain.stores.shard_cache_bytes == 10_000_000_000
    assert plain.stores.backup_bytes_per_second is None
    empty = {"DVDGAN_BACKUP": " ", "DVDGAN_KEEP_LAST": "", "DVDGAN_LAUNCHER": "", "DVDGAN_URL": ""}
    assert Machine.load(variables=empty | {"DVDGAN_MACHINE": " "}) == plain
    machine_file.write_text(
        "# nothing set\nstores: {backup: , shards: ''}\nretention:\n"
        "trackers: []\nnodes: {hosts: {}}\n"
    )
    assert Machine.load(variables={}) == plain


def test_every_key_has_values_here() -> None:
    assert list(VALUES) == list(KEYS)


@pytest.mark.parametrize("name", VALUES)
def test_a_key_is_set_by_the_file_or_by_its_variable_which_comes_first(
    name: str, machine_file: Path
) -> None:
    yaml, text, other, meaning = VALUES[name]
    variable = KEYS[name].variable
    plain = Machine.load(variables={})
    assert value(plain, name) != meaning

    from_variable = Machine.load(variables={variable: text})
    assert value(from_variable, name) == meaning
    assert from_variable.sources == {name: variable}

    machine_file.write_text(written(name, yaml))
    from_file = Machine.load(variables={})
    assert from_file == from_variable  # and so nothing else was changed
    assert from_file.sources == {name: "machine.yaml"}
    assert Machine.load(variables={variable: " "}) == from_file

    merged = Machine.load(variables={variable: other})
    assert value(merged, name) != meaning
    assert merged.sources == {name: variable}


def test_all_of_them_in_one_file(machine_file: Path) -> None:
    sections: dict[str, list[str]] = {}
    for name, (yaml, *_) in VALUES.items():
        section, _, key = name.rpartition(".")
        sections.setdefault(section, []).append(f"{key}: {yaml}")
    machine_file.write_text(
        "".join(
            f"{section}:\n" + "".join(f"  {line}\n" for line in lines)
            if section
            else "".join(f"{line}\n" for line in lines)
            for section, lines in sections.items()
        )
    )
    machine = Machine.load(variables={"DVDGAN_BACKUP_MBPS": "2.5"})
    expected = {name: meaning for name, (*_, meaning) in VALUES.items()}
    assert {name: value(machine, name) for name in KEYS} == expected | {"stores.backup_mbps": 2.5}
    assert machine.stores.backup_bytes_per_second == 2_500_000.0
    assert machine.stores.shard_cache_bytes == 2_500_000_000


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
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
        ("DVDGAN_URL", "head:4201", "begins with http:// or https://"),
        ("PREFECT_API_URL", "head:4200/api", "begins with http:// or https://"),
    ],
)
def test_a_refusal_names_the_variable_its_value_and_what_it_may_be(
    name: str, text: str, allowed: str, machine_file: Path
) -> None:
    assert f'the environment variable {name} is "{text}", but must be ' in refusal(**{name: text})
    assert allowed in refusal(**{name: text})


def test_nobody_can_approve_without_prefect(machine_file: Path) -> None:
    Machine.load(variables={}).refuse_without_prefect()
    machine_file.write_text("prefect: {approve_rollbacks: true}\n")
    with pytest.raises(UserError, match="rollbacks cannot be approved"):
        Machine.load(variables={}).refuse_without_prefect()
    with pytest.raises(UserError, match="trainers on other hosts cannot be started"):
        Machine.load(variables={"DVDGAN_NODES": "node0=10.0.0.1"}).refuse_without_prefect()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("DVDGAN_MIRROR", "DVDGAN_BACKUP"),
        ("DVDGAN_MIRROR_MBPS", "DVDGAN_BACKUP_MBPS"),
        ("DVDGAN_ASK_BEFORE_ROLLBACK", "DVDGAN_APPROVE_ROLLBACKS"),
    ],
)
def test_a_name_of_version_0_1_is_refused_with_the_new_one(
    old: str, new: str, machine_file: Path
) -> None:
    assert f"the environment variable {old} is called {new} now" in refusal(**{old: "1", new: "1"})
    Machine.load(variables={old: " "})  # empty: not set
