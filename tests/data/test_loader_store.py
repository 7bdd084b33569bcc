"""Shards in a store: the same batches as from the disk, few requests, and no mercy for silence."""

import threading
from pathlib import Path

import torch
from small_shards import rows, same

from dvdgan.data.dataset import ClipDataset
from dvdgan.data.loader import RankShard, reference_clips, training_batches
from dvdgan.data.random_clips import RandomClips
from dvdgan.data.shard_source import AT_ONCE, StoredShards
from dvdgan.storage.folder import FolderStore
from dvdgan.storage.store import Store


class CountingStore(FolderStore):
    """A folder that counts its reads."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reads: list[tuple[str, int, int]] = []
        self.sizes: list[str] = []

    def read(self, key: str, start: int, length: int) -> bytes:
        self.reads.append((key, start, length))
        return super().read(key, start, length)

    def size(self, key: str) -> int:
        self.sizes.append(key)
        return super().size(key)


class MeetingStore(CountingStore):
    """Answers only when AT_ONCE reads wait for an answer."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.meeting = threading.Barrier(AT_ONCE, timeout=30)

    def read(self, key: str, start: int, length: int) -> bytes:
        self.meeting.wait()
        return super().read(key, start, length)


def take(
    folder: Path, store: Store | None, allowed: int = 0, **rank_shard: int
) -> list[torch.Tensor]:
    dataset = ClipDataset(StoredShards(store) if store else folder, "train", 32, 12, 2)
    clips = RandomClips(dataset, 0, max_damaged_shards=allowed)
    return rows(training_batches(clips, 8, rank_shard=RankShard(**rank_shard)), 4)


def test_batches_from_a_store_are_those_from_the_disk(shards: Path) -> None:
    store, local = CountingStore(shards), take(shards, None)
    assert same(take(shards, store), local)
    assert len(store.reads) == 2 * 4 * 8  # the offsets, then the window
    assert same(take(shards, store, workers=2), local)


def test_what_is_read_is_little_more_than_the_window(shards: Path) -> None:
    store = CountingStore(shards)
    dataset = ClipDataset(StoredShards(store), "train", 32, 4, 1)
    for _ in range(2):
        store.reads.clear()
        dataset.read(0, 20, 0, 0)
        assert store.sizes == [dataset._shards[0]]
    (_, at, head), (_, start, window) = store.reads
    assert head == 512 + 8 + 8 * 25  # its header in the tar; up to the offset where frame 23 ends
    assert start > at + head and window < int(dataset._sizes[0]) / 6


def test_clips_of_a_batch_are_fetched_side_by_side(shards: Path) -> None:
    dataset = ClipDataset(StoredShards(MeetingStore(shards)), "train", 32, 12, 2)
    clips, labels = RandomClips(dataset, 0).read(range(AT_ONCE))
    local = RandomClips(ClipDataset(shards, "train", 32, 12, 2), 0).read(range(AT_ONCE))
    assert torch.equal(clips, local[0]) and torch.equal(labels, local[1])


def test_statistics_from_a_store_are_those_from_the_disk(shards: Path) -> None:
    datasets = [
        ClipDataset(place, "test", 32, 12, 2)
        for place in (shards, StoredShards(CountingStore(shards)))
    ]
    local, stored = ([*reference_clips(dataset, 3, 5)] for dataset in datasets)
    for (clips, labels), (others, their_labels) in zip(local, stored, strict=True):
        assert torch.equal(clips, others) and torch.equal(labels, their_labels)
