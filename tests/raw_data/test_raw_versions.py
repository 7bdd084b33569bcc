"""Raw videos, shards and what leads from one to the other: old versions, other machines, S3."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from raw_repository import (
    changed,
    copy_of,
    dvc,
    list_videos,
    repro,
    run,
    set_root,
    stages_run,
)
from s3_server import s3_server, upload

from dvdgan.storage.local import sha256_of_file

BUCKET = "raw"


@pytest.fixture
def s3() -> Iterator[str]:
    with s3_server(BUCKET) as address:
        yield address


def git(repository: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    result = run(repository, ["git", *identity, *arguments])
    assert result.returncode == 0, result.stdout
    return result.stdout


def versioned(reproduced: Path, folder: Path, address: str) -> Path:
    """A copy of the repository in git, with a remote on S3."""
    repository = copy_of(reproduced, folder)
    (repository / ".dvc/config").write_text(
        "[core]\n    remote = s3\n    analytics = false\n    check_update = false\n"
        f"['remote \"s3\"']\n    url = s3://{BUCKET}/dvc\n    endpointurl = {address}\n"
    )
    (repository / ".gitignore").write_text(".runs\n/artifacts\n")
    git(repository, "init", "-q")
    return repository


def commit(repository: Path, message: str) -> None:
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", message)
    pushed = dvc(repository, "push")
    assert pushed.returncode == 0, pushed.stdout


def clone(repository: Path, target: Path) -> Path:
    git(repository.parent, "clone", "-q", str(repository), str(target))
    pulled = dvc(target, "pull")
    assert pulled.returncode == 0, pulled.stdout
    return target


def digests(repository: Path, *folders: str) -> dict[str, str]:
    files = [path for name in folders for path in (repository / name).rglob("*") if path.is_file()]
    return {str(path.relative_to(repository)): sha256_of_file(path) for path in sorted(files)}


def test_videos_in_dvc_come_back_with_their_shards(
    tmp_path: Path, reproduced: Path, s3: str
) -> None:
    repository = versioned(reproduced, tmp_path / "one", s3)
    added = dvc(repository, "add", "videos")
    assert added.returncode == 0, added.stdout
    assert stages_run(repro(repository)) == []
    commit(repository, "twelve videos")
    old = digests(repository, "videos", "artifacts")

    video = repository / "videos/circle_right/000.mp4"
    shutil.copy(video, video.with_name("copy.mp4"))
    assert changed(repository) == {"videos"}
    assert stages_run(repro(repository)) == ["index", "shard"]
    assert changed(repository) == set()
    commit(repository, "thirteen videos")
    new = digests(repository, "videos", "artifacts")
    assert new.keys() - old.keys() == {"videos/circle_right/copy.mp4"}

    git(repository, "checkout", "-q", "HEAD~1")
    assert dvc(repository, "checkout").returncode == 0
    assert digests(repository, "videos", "artifacts") == old
    assert changed(repository) == set()

    # An empty machine has the last commit, and needs nothing but git and the remote.
    git(repository, "checkout", "-q", "-")
    other = clone(repository, tmp_path / "two")
    assert digests(other, "videos", "artifacts") == new
    assert (changed(other), stages_run(repro(other))) == (set(), [])
    collected = dvc(other, "gc", "--workspace", "--force")
    assert collected.returncode == 0, collected.stdout
    assert (changed(other), stages_run(repro(other))) == (set(), [])
    assert digests(other, "videos", "artifacts") == new

    # Its clocks are others, and there are no outcomes: what it has is recognised by its bytes.
    another = other / "videos/ring_growing/another.mp4"
    another.write_bytes((other / "videos/circle_right/000.mp4").read_bytes() + b"\0" * 8)
    assert "1 probed, 13 recognised by their bytes" in repro(other, "index")


@pytest.mark.long
def test_a_listing_stands_for_videos_that_are_elsewhere(
    tmp_path: Path, reproduced: Path, s3: str
) -> None:
    repository = versioned(reproduced, tmp_path / "one", s3)
    mounted = tmp_path / "mounted"
    (repository / "videos").rename(mounted)
    list_videos(repository, "--root", str(mounted))
    repro(repository)
    commit(repository, "a listing in git")
    assert "videos" not in (tree.name for tree in repository.iterdir())

    mounted.rename(tmp_path / "unmounted")  # the other machine does not see the videos
    other = clone(repository, tmp_path / "two")
    assert digests(other, "artifacts") == digests(repository, "artifacts")
    assert (changed(other), stages_run(repro(other))) == (set(), [])

    (tmp_path / "unmounted").rename(mounted)
    shutil.copy(mounted / "circle_right/000.mp4", mounted / "circle_right/copy.mp4")
    with (mounted / "circle_right/copy.mp4").open("ab") as file:
        file.write(b"\0" * 8)
    assert "1 added, 0 changed, 0 removed" in list_videos(other)
    output = repro(other)
    assert "1 probed, 12 recognised by their bytes" in output
    assert stages_run(output) == ["index", "shard"]


def test_a_bucket_is_compared_and_read_in_place(tmp_path: Path, reproduced: Path, s3: str) -> None:
    repository = copy_of(reproduced, tmp_path / "repository")
    for folder in (repository / "videos").iterdir():
        upload(folder, BUCKET, f"videos/{folder.name}")
    by_folder = digests(repository, "artifacts")
    shutil.rmtree(repository / "videos")
    shutil.rmtree(repository / ".runs")

    set_root(repository, f"s3://{BUCKET}/videos")
    assert "12 recognised by their bytes" in repro(repository)
    assert digests(repository, "artifacts") == by_folder
    assert changed(repository) == set()
    boto3.client("s3").copy_object(
        Bucket=BUCKET,
        Key="videos/circle_right/copy.mp4",
        CopySource=f"{BUCKET}/videos/circle_right/000.mp4",
    )
    assert changed(repository) == {f"s3://{BUCKET}/videos"}
    assert "13 videos in 4 classes" in repro(repository)
    assert changed(repository) == set()
