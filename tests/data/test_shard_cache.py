"""A second epoch from a store makes no request where a cache on local disk holds the first."""

import random
from pathlib import Path

import pytest
import torch
from small_shards import rows, same
from test_loader_store import CountingStore

from dvdgan.data.dataset import ClipDataset, DamagedShardError
from dvdgan.data.loader import RankShard, training_batches
from dvdgan.data.random_clips import RandomClips
from dvdgan.data.shard_source import StoredShards, open_shards
from dvdgan.errors import UserError
from dvdgan.storage.bounded_cache import BoundedCache
from dvdgan.storage.store import Store, StoreUnavailableError

LARGE = 100_000_000


class GoneStore(CountingStore):
    """Answers for the small files alone."""

    def read(self, key: str, start: int, length: int) -> bytes:
        raise StoreUnavailableError("gone")

    def size(self, key: str) -> int:
        raise StoreUnavailableError("gone")


def dataset_of(store: Store, cache: BoundedCache | None) -> ClipDataset:
    return ClipDataset(StoredShards(store, cache), "train", 32, 12, 2)


def take(dataset: ClipDataset, count: int = 2, start: int = 0, **rank: int) -> list[torch.Tensor]:
    """Batches of 8, which is an epoch."""
    batches = training_batches(RandomClips(dataset, 0), 8, start, RankShard(**rank))
    return rows(batches, count)


@pytest.fixture
def cache(tmp_path: Path) -> BoundedCache:
    return BoundedCache(tmp_path / "cache", LARGE)


def test_the_first_epoch_reads_each_video_once_and_the_second_none(
    shards: Path, cache: BoundedCache
) -> None:
    store = CountingStore(shards)
    dataset = dataset_of(store, cache)
    local = take(ClipDataset(shards, "train", 32, 12, 2), 4)
    assert same(take(dataset, 1), local[:1])
    # Threads that begin with the same tar at once may each ask for its size.
    assert len(store.reads) == 8 and len(set(store.sizes)) == 3
    asked = len(store.sizes)
    read = sum(length for _, _, length in store.reads)
    assert read == sum(dataset._sizes) + 8 * 512
    assert same(take(dataset, 3, start=1), local[1:])
    assert len(store.reads) == 8 and len(store.sizes) == asked
    # Nor does another process, whatever number of workers it has.
    assert same(take(dataset_of(GoneStore(shards), cache), 4, workers=2), local)


def test_workers_and_ranks_share_it(shards: Path, cache: BoundedCache) -> None:
    local = take(ClipDataset(shards, "train", 32, 12, 2), 1)
    for rank in (0, 1):
        part = take(dataset_of(CountingStore(shards), cache), 1, rank=rank, world=2, workers=2)
        assert same(part, [local[0][rank::2]])
    assert same(take(dataset_of(GoneStore(shards), cache), 1), local)


def test_a_cache_too_small_for_all_changes_no_clip(shards: Path, tmp_path: Path) -> None:
    local = take(ClipDataset(shards, "train", 32, 12, 2), 4)
    sizes = sorted(ClipDataset(shards, "train", 32, 12, 2)._sizes.tolist())
    for bound in (3 * sizes[-1], sizes[0], 10):
        folder = tmp_path / str(bound)
        store = CountingStore(shards)
        assert same(take(dataset_of(store, BoundedCache(folder, bound)), 4), local)
        assert sum(file.stat().st_size for file in folder.glob("*/*")) <= bound
    assert len(store.reads) == 2 * 4 * 8  # nothing fits: the requests of no cache


def test_damaged_entries_are_requested_again(shards: Path, cache: BoundedCache) -> None:
    local = take(dataset_of(CountingStore(shards), cache), 1)
    rng = random.Random(0)
    for entry in cache.folder.glob("*/*"):
        data = bytearray(entry.read_bytes())
        damaged = bytes(len(data)) if rng.random() < 0.5 else data[: rng.randrange(len(data))]
        entry.write_bytes(damaged)
    store = CountingStore(shards)
    assert same(take(dataset_of(store, cache), 1), local)
    assert len(store.reads) == 8
    assert same(take(dataset_of(GoneStore(shards), cache), 1), local)


def test_other_shards_are_not_mixed_up(shards: Path, cache: BoundedCache, tmp_path: Path) -> None:
    """The same names and places, but other bytes, of which the index has another sha256."""
    take(dataset_of(CountingStore(shards), cache), 1)
    other = tmp_path / "other"
    other.mkdir()
    for file in shards.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    index = (other / "index.json").read_text()
    dataset = dataset_of(CountingStore(shards), cache)
    for tar in dataset._tars.values():
        index = index.replace(tar.sha256, tar.sha256[::-1])
    (other / "index.json").write_text(index)
    store = CountingStore(other)
    take(dataset_of(store, cache), 1)
    assert len(store.reads) == 8


def test_a_tar_of_another_length_is_damage_with_a_cache_too(
    shards: Path, cache: BoundedCache, tmp_path: Path
) -> None:
    for file in shards.iterdir():
        data = file.read_bytes()
        (tmp_path / file.name).write_bytes(data + b"x" if file.suffix == ".tar" else data)
    with pytest.raises(DamagedShardError, match=r"differs from index\.json"):
        dataset_of(CountingStore(tmp_path), cache).read(0, 0, 0, 0)


def test_the_variables_name_it(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVDGAN_SHARDS", str(shards))
    assert open_shards(tmp_path / "none").cache is None  # type: ignore[attr-defined]
    monkeypatch.setenv("DVDGAN_SHARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DVDGAN_SHARD_CACHE_GB", "0.5")
    cache = open_shards(tmp_path / "none").cache  # type: ignore[attr-defined]
    assert (cache.folder, cache.max_bytes) == (tmp_path / "cache", 500_000_000)
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("DVDGAN_SHARD_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot be used"):
        open_shards(tmp_path / "none")
