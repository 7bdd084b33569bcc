"""Training straight from S3: the batches of the disk, also over a line that fails and cuts."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import torch
from flaky_server import every_third, flaky
from s3_server import s3_server, upload
from small_shards import rows, same

from dvdgan.data.dataset import ClipDataset
from dvdgan.data.loader import RankShard, training_batches
from dvdgan.data.random_clips import RandomClips
from dvdgan.data.shard_source import StoredShards
from dvdgan.errors import UserError
from dvdgan.storage.open_store import open_store
from dvdgan.storage.s3 import S3Store
from dvdgan.storage.s3_client import RetryPolicy
from dvdgan.storage.store import Store, StoreUnavailableError

URL = "s3://videos/small/shards"


@pytest.fixture(scope="module")
def endpoint(shards: Path) -> Iterator[str]:
    """An S3 server that holds the shards, and this process's environment set to use it."""
    with s3_server("videos") as address:
        upload(shards, "videos", "small/shards")
        yield address


def take(
    folder: Path, store: Store | None, allowed: int = 0, **rank_shard: int
) -> list[torch.Tensor]:
    dataset = ClipDataset(StoredShards(store) if store else folder, "train", 32, 12, 2)
    clips = RandomClips(dataset, 0, max_damaged_shards=allowed)
    return rows(training_batches(clips, 8, rank_shard=RankShard(**rank_shard)), 3)


def test_batches_from_s3_are_those_from_the_disk(shards: Path, endpoint: str) -> None:
    local, store = take(shards, None), open_store(URL)
    assert same(take(shards, store), local)
    # Workers are forked from a process that has used its connections.
    assert same(take(shards, store, workers=2), local)
    assert same(take(shards, store), local)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_line_that_fails_and_cuts_changes_nothing(
    shards: Path, endpoint: str, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with flaky(endpoint) as (address, line):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        line.harm = every_third("503 ServiceUnavailable", "cut download")
        assert same(take(shards, open_store(URL), workers=workers), take(shards, None))
        assert line.requests["GET"] > 30


def test_a_missing_tar_is_damage_and_is_named(
    shards: Path, endpoint: str, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    name = ClipDataset(shards, "train", 32, 12, 2)._shards[0]
    boto3.client("s3").copy_object(
        Bucket="videos", Key=f"small/{name}", CopySource=f"videos/small/shards/{name}"
    )
    boto3.client("s3").delete_object(Bucket="videos", Key=f"small/shards/{name}")
    try:
        take(shards, open_store(URL), allowed=1)
        assert capfd.readouterr().err.count(f"shard {name} is damaged") == 1
        with pytest.raises(UserError, match=f"shard {name} is damaged"):
            take(shards, open_store(URL))
    finally:
        boto3.client("s3").copy_object(
            Bucket="videos", Key=f"small/shards/{name}", CopySource=f"videos/small/{name}"
        )


def test_a_store_that_stays_away_is_no_damage(
    shards: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StoreUnavailableError):
        impatient = S3Store("videos", "small/shards", policy=RetryPolicy(attempts=2))
        take(shards, impatient, allowed=99, workers=1)
