"""A finished pipeline on a machine that has nothing but git and the remote on S3."""

from collections.abc import Callable
from pathlib import Path

import pytest
from s3_server import s3_server
from test_repro import stages_run
from work_tree import run_fork

from dvdgan.storage.local import sha256_of_tree

Copy = Callable[[Path, str], Path]

pytestmark = pytest.mark.timeout(1500)  # the first test makes the work trees


def done(tree: Path, *command: str) -> str:
    """What a command printed that has to succeed."""
    result = run_fork(tree, *command)
    assert result.returncode == 0, result.stdout
    return result.stdout


def test_a_clone_has_everything_and_recomputes_nothing(
    finished: Path, copied: Copy, tmp_path: Path
) -> None:
    tree = copied(finished, "origin")
    (tree / ".gitignore").write_text("/.runs\n/.prefect\n/ready\n")
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    with s3_server("remote") as address:
        done(tree, "dvc", "add", "data/synthetic")
        done(tree, "dvc", "remote", "add", "--default", "s3", "s3://remote/dvc")
        done(tree, "dvc", "remote", "modify", "s3", "endpointurl", address)
        done(tree, "git", "add", "-A")
        done(tree, "git", *identity, "commit", "-qm", "a finished run")
        done(tree, "dvc", "push")

        pulled, shared = tmp_path / "pulled", tmp_path / "shared"
        for clone in (pulled, shared):
            done(tree, "git", "clone", "-q", str(tree), str(clone))
            assert {path.name for path in (clone / "artifacts").rglob("*.*")} == {".gitignore"}
        done(pulled, "dvc", "pull")
        # Another user of the same machine: nothing is copied.
        done(shared, "dvc", "config", "--local", "cache.dir", str(tree / ".dvc/cache"))
        done(shared, "dvc", "config", "--local", "cache.type", "symlink")
        done(shared, "dvc", "checkout")
        for clone in (pulled, shared):
            done(clone, "dvc", "status", "--quiet")
            assert stages_run(done(clone, "dvc", "repro")) == []
            for part in ("artifacts", "data"):
                assert sha256_of_tree(clone / part, "*.*") == sha256_of_tree(tree / part, "*.*")
            assert (clone / "data/synthetic").is_dir()
            assert (clone / "artifacts/shards/index.json").is_symlink() is (clone == shared)
