"""The machine file in real processes: `dvdgan check`, a trainer, commands in other folders."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dvdgan.guard.torchrun import shared_variables
from dvdgan.machine import Machine
from flows.process_group import run_in_group

ROOT = Path(__file__).resolve().parents[2]
CLEAN = {
    key: value for key, value in os.environ.items() if not key.startswith(("DVDGAN", "PREFECT"))
}

# What `dvdgan train` does first, and then a trainer that prints its environment.
TRAIN = """
import subprocess, sys
from pathlib import Path
from dvdgan.guard.run_folder import RunFolder
from dvdgan.guard.trainer_process import TrainerProcess
from dvdgan.machine import Machine

Machine.load().share()
Path("machine.yaml").write_text("launch: [")
print(*TrainerProcess(RunFolder(Path("run")), output=subprocess.PIPE).lines(), sep="\\n")
"""
SHOW = """
import json, os
from dvdgan.machine import Machine
machine = Machine.load()
print(json.dumps({
    "workers": machine.launch.loader_workers,
    "last": machine.retention.keep_last,
    "url": os.environ.get("PREFECT_API_URL"),
}))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project's folder."""
    shutil.copy(ROOT / "presets" / "demo.yaml", tmp_path / "params.yaml")
    (tmp_path / "data" / "synthetic").mkdir(parents=True)
    (tmp_path / "show.py").write_text(SHOW)
    return tmp_path


def check(tree: Path, *options: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "dvdgan", "check", *options],
        cwd=tree,
        env=CLEAN | variables,
        capture_output=True,
        text=True,
    )


def test_check_shows_every_value_with_its_source_in_100_columns(tree: Path) -> None:
    (tree / "machine.yaml").write_text(
        "launch:\n"
        "  launcher: torchrun --standalone --nproc-per-node 8 --max-restarts 3 --role trainer -m\n"
        "prefect:\n  api_url: http://head:4200/api\n  approve_rollbacks: true\n"
    )
    password = "http://me:hunter2@head:4200/api"
    done = check(tree, PREFECT_API_URL=password, DVDGAN_KEEP_LAST="5", DVDGAN_BACKUP=" ")
    assert (done.returncode, done.stderr) == (0, "")
    first, *table = done.stdout.splitlines()
    assert first == "params.yaml is valid"
    assert max(map(len, table)) <= 100
    rows = {line.split()[0]: line.split()[1:] for line in table if not line.startswith(" ")}
    assert rows["key"] == ["value", "source"]
    assert rows["retention.keep_last"] == ["5", "DVDGAN_KEEP_LAST"]
    assert rows["prefect.api_url"] == ["http://***@head:4200/api", "PREFECT_API_URL"]
    assert rows["prefect.approve_rollbacks"] == ["true", "machine.yaml"]
    assert rows["stores.backup"] == ["no", "backup", "default"]
    assert rows["launch.launcher"][-1] == "machine.yaml"
    assert "--max-restarts" in done.stdout  # words are whole in a value of two lines
    assert len({line.rindex(rows[line.split()[0]][-1]) for line in table if line[0] != " "}) == 1


def test_check_without_a_machine_file_shows_what_variables_set(tree: Path) -> None:
    rows = check(tree, DVDGAN_KEEP_LAST="5").stdout.splitlines()
    assert [row.split() for row in rows[1:]] == [
        ["key", "value", "source"],
        ["retention.keep_last", "5", "DVDGAN_KEEP_LAST"],
    ]


def test_check_takes_another_file_and_refuses_a_bad_one(tree: Path) -> None:
    other = tree / "other.yaml"
    other.write_text("retention:\n  keep_last: none\n")
    done = check(tree, DVDGAN_MACHINE=str(other))
    assert done.returncode == 2
    assert f"{other}, line 2: retention.keep_last" in done.stderr
    other.write_text("retention:\n  keep_last: 7\n")
    lines = check(tree, "--machine", str(other)).stdout.splitlines()
    assert lines[1] == f"machine file: {other}"
    assert max(map(len, lines[2:])) <= 100
    assert ["retention.keep_last", "7", "other.yaml"] in [line.split() for line in lines]


@pytest.mark.parametrize("named", [False, True])
def test_a_trainer_has_what_the_command_read(named: bool, tree: Path) -> None:
    file = tree / ("elsewhere.yaml" if named else "machine.yaml")
    file.write_text(
        f"launch:\n  launcher: {sys.executable} show.py\n  loader_workers: 3\n"
        "retention:\n  keep_last: 4\nprefect:\n  api_url: http://head:4200/api\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", TRAIN],
        cwd=tree,
        env=CLEAN
        | {"DVDGAN_KEEP_LAST": "6", "PYTHONPATH": str(ROOT)}
        | ({"DVDGAN_MACHINE": str(file)} if named else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {"workers": 3, "last": 6, "url": "http://head:4200/api"}


def test_trainers_on_other_nodes_have_the_values_and_read_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "machine.yaml"
    file.write_text("launch: {loader_workers: 3}\nstores: {shard_cache: /scratch}\n")
    variables = {"DVDGAN_KEEP_LAST": "6"}
    here = Machine.load(variables=variables)
    here.share(variables)
    received = shared_variables(variables)
    file.write_text("launch: {loader_workers: 8}\nretention: {keep_every: 9}\n")  # that node's own
    assert Machine.load(variables=received) == here
    assert Machine.load(variables={}) != here


def test_a_command_that_a_flow_runs_in_another_folder_has_the_same_settings(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "machine.yaml").write_text("launch: {loader_workers: 3}\n")
    copy = tmp_path / "copy"
    copy.mkdir()
    monkeypatch.chdir(tree)
    monkeypatch.delenv("DVDGAN_MACHINE", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    lines: list[str] = []
    assert run_in_group([sys.executable, str(tree / "show.py")], str(copy), lines.append) == 0
    assert json.loads(lines[0])["workers"] == 3
