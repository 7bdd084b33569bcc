"""Shards in a store alone: who trains has none of them, and runs neither index nor shard."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from s3_server import s3_server
from test_other_machine import done
from test_repro import stages_run
from work_tree import run

from dvdgan.storage.local import sha256_of_tree

# It makes the work trees.
pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]

IDENTITY = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
PUSHED = ("index", "features", "reference")


@pytest.fixture(scope="module")
def prepared(
    untrained: Path,
    copied: Callable[[Path, str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """A commit whose shards are in a store, and whose features and statistics are in a remote."""
    tree = copied(untrained, "preprocessor")
    (tree / ".gitignore").write_text("/.runs\n/data\n")
    with s3_server("videos") as _, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVDGAN_SHARDS", "s3://videos/shards")
        done(tree, "dvdgan", "shard", "--upload")
        remote = tmp_path_factory.mktemp("remote")
        done(tree, "dvc", "remote", "add", "--default", "store", str(remote))
        done(tree, "git", "add", "-A")
        done(tree, "git", *IDENTITY, "commit", "-qm", "prepared")
        done(tree, "dvc", "push", *PUSHED)
        yield tree


def test_a_machine_without_shards_and_videos_runs_what_follows_them(
    prepared: Path, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    done(prepared, "git", "clone", "-q", str(prepared), str(clone))
    assert "shard: index.json of s3://videos/shards" in done(
        clone, "dvdgan", "shard", "--fetch-index"
    )
    done(clone, "dvc", "pull", *PUSHED)
    # It stops behind train, whose outputs are not there (DVC 3.67).
    dry = run(clone, "dvc", "repro", "--downstream", "features", "--dry")
    assert stages_run(dry.stdout) == ["train"], dry.stdout
    lock = (clone / "dvc.lock").read_bytes()
    # One of those stages is made again, from the store.
    made = sha256_of_tree(clone / "artifacts/reference", "*.*")
    done(clone, "dvc", "repro", "--single-item", "--force", "reference")
    assert sha256_of_tree(clone / "artifacts/reference", "*.*") == made
    assert (clone / "dvc.lock").read_bytes() == lock
    here = {path.name for path in (clone / "artifacts/shards").iterdir()}
    assert here == {"index.json"}
    tar = sorted((prepared / "artifacts/shards").glob("*.tar"))[0].stat().st_size
    assert all(path.stat().st_size != tar for path in (clone / ".dvc/cache").rglob("*"))
