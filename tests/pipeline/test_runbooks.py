"""The commands of docs/runbooks.md on the real pipeline, after what they are for has happened."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from flaky_server import flaky
from held_trainer import start_until_held, wait_until_quiet
from runbook import commands
from s3_server import s3_server
from work_tree import PROJECT, run

from dvdgan.errors import EXIT_INTERRUPTED, EXIT_USER_ERROR
from dvdgan.storage.local import sha256_of_tree

Copy = Callable[[Path, str], Path]

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]
BACKUP = {"BUCKET/runs": "store/runs"}


def shell(tree: Path, script: str) -> str:
    """What the commands of a runbook print; each of them has to succeed."""
    done = run(tree, "bash", "-euc", script)
    assert done.returncode == 0, done.stdout
    return done.stdout


def released(tree: Path, process: "subprocess.Popen[str]") -> str:
    """Let the held trainer of ``process`` go on; what the command has printed at its end."""
    (tree / "released").touch()
    output, _ = process.communicate(timeout=600)
    wait_until_quiet(tree)
    return output


def assert_trained_as(finished: Path, tree: Path, *parts: str) -> None:
    for part in parts:
        there = sha256_of_tree(tree / "artifacts" / part, "*.*")
        assert there == sha256_of_tree(finished / "artifacts" / part, "*.*"), part


@pytest.fixture
def origin(untrained: Path, copied: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work tree in which everything before train is done, with a git repository to push to."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Ann")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "ann@example.org")
    tree = copied(untrained, "origin")
    for name in (".gitignore", ".dvc/.gitignore"):
        shutil.copy(PROJECT / name, tree / name)
    shell(
        tree,
        f"""git init --bare -q {tmp_path}/repository
        git remote add origin {tmp_path}/repository
        git add .
        git commit -qm code
        git push -qu origin HEAD
        dvc add data/synthetic""",
    )
    return tree


def test_an_empty_machine_ends_the_run_of_a_lost_one(
    finished: Path, origin: Path, tmp_path: Path
) -> None:
    *prepare, train = commands("Prepare", "dvc push", **BACKUP).splitlines()
    restore = commands(
        "Restore on an empty machine",
        "git clone",
        REPOSITORY=f"{tmp_path}/repository",
        **{"make setup && source .venv/bin/activate": "true"},
        **{"export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=...": "true"},
        **BACKUP,
    )
    with s3_server("store") as address:
        shell(origin, "dvc remote add --default store s3://store/dvc")
        shell(origin, f"dvc remote modify store endpointurl {address}")
        shell(origin, "\n".join(prepare))
        process = start_until_held(origin, 14, "bash", "-c", f"exec env {train}")
        process.kill()
        process.communicate()
        wait_until_quiet(origin)
        shutil.rmtree(origin)
        printed = shell(tmp_path, restore)
    assert re.search("backup: restored step 1[24] from s3://store/runs/", printed), printed
    assert_trained_as(finished, tmp_path / "project", "train", "model", "evaluate")


def test_shards_whose_store_goes_away_and_comes_back(
    finished: Path, untrained: Path, copied: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = copied(untrained, "away")
    *_, again = commands("Store down", "aws s3 ls").splitlines()
    with s3_server("videos") as behind, flaky(behind) as (address, told):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        monkeypatch.setenv("DVDGAN_SHARDS", "s3://videos/shards")
        shell(tree, "dvdgan shard --upload")
        process = start_until_held(tree, 3, "dvdgan", "train")
        told.harm = lambda method, path: "503 SlowDown"
        output = released(tree, process)
        assert process.returncode == EXIT_INTERRUPTED, output
        assert "run the same command again when it is available" in output
        assert "Traceback" not in output
        told.harm = lambda method, path: None
        shell(tree, again)
    assert_trained_as(finished, tree, "train")


def test_a_full_disk_is_emptied(
    finished: Path, untrained: Path, copied: Copy, small_disk: Callable[[Path], None]
) -> None:
    tree = copied(untrained, "full")
    shutil.rmtree(tree / ".runs")
    small_disk(tree / ".runs")
    process = start_until_held(tree, 3, "dvdgan", "train")
    # A full disk ends the run, to be repeated, where the supervisor writes: not in this test.
    while not any('"baseline"' in file.read_text() for file in tree.glob(".runs/*/*/ledger.jsonl")):
        assert process.poll() is None, process.stdout and process.stdout.read()
        time.sleep(0.2)
    collapsed = tree / ".runs/train/older/collapsed"
    collapsed.mkdir(parents=True)
    run(collapsed, "bash", "-c", "head -c 1G /dev/zero > step-00000100; cat /dev/zero > rest")
    (tree / "released").touch()
    assert process.stdout is not None
    printed = [process.stdout.readline()]
    while "Free some space to continue" not in printed[-1]:
        assert process.poll() is None, "".join(printed)
        printed.append(process.stdout.readline())
    shown = shell(tree, commands("Disk full", "rm -r"))
    assert "100%" in shown
    output = released(tree, process)
    assert process.returncode == 0, output
    assert "has been written; training continues" in output
    assert_trained_as(finished, tree, "train")


@pytest.mark.parametrize("remote", [True, False])
def test_a_damaged_shard_is_fetched_or_made_again(
    finished: Path, untrained: Path, copied: Copy, tmp_path: Path, remote: bool
) -> None:
    """The damage is in DVC's cache, too, as of a disk: the three places hold one file."""
    tree = copied(untrained, "damaged")
    if remote:
        shell(tree, f"dvc remote add --default store {tmp_path}/store && dvc push shard")
    tar = tree / "artifacts/shards/train-00000.tar"
    whole = tar.read_bytes()
    # A copied work tree has no links: make those that DVC makes.
    kept = [path for place in (".dvc/cache", ".runs/shard") for path in (tree / place).rglob("*")]
    for path in kept:
        if path.is_file() and path.read_bytes() == whole:
            path.unlink()
            path.hardlink_to(tar)
    assert tar.stat().st_nlink > 1
    tar.chmod(0o644)
    with tar.open("r+b") as file:
        file.truncate(len(whole) // 2)
    refused = run(tree, "dvdgan", "train")
    assert refused.returncode == EXIT_USER_ERROR, refused.stdout
    assert "shard train-00000.tar is damaged at sample" in refused.stdout
    shell(tree, commands("Damaged checkpoint or shard", "dvc pull"))
    assert tar.read_bytes() == whole
    assert_trained_as(finished, tree, "train")
