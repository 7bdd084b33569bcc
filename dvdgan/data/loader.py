"""Clips -> batches: endless random ones for training, fixed ones for statistics.

Worker processes read and decode the training batches. One that dies ends the run with an error, and
damaged shards are reported, up to a limit.
"""

import ctypes
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.context import ForkContext
from multiprocessing.sharedctypes import RawValue
from typing import Any

import torch
from torch.utils.data import DataLoader

from dvdgan.data.dataset import ClipDataset, DamagedShardError, too_many_damaged
from dvdgan.data.random_clips import ClipBatch, LoadedBatch, RandomClips
from dvdgan.data.sources.shard_set import EvenClips
from dvdgan.errors import UserError
from dvdgan.guard.parent_death_signal import set_parent_death_signal
from dvdgan.machine.keys import KEYS


@dataclass(frozen=True)
class RankShard:
    """What one of ``world`` processes reads of every batch: rows rank::world, by ``workers``.

    Without workers the process reads by itself, while it waits.
    """

    rank: int = 0
    world: int = 1
    workers: int = 0


ALL = RankShard()


def training_batches(
    clips: RandomClips, batch_size: int, start: int = 0, rank_shard: RankShard = ALL
) -> Iterator[ClipBatch]:
    """Endless batches from number ``start`` on: clips (B / world, T, 3, H, W) uint8, labels int64.

    Global batch n holds clips n B to (n + 1) B - 1, whatever the workers and ranks. A damaged shard
    is reported on stderr once. Raises UserError when this process has found more of them than
    ``clips`` allows, and when a worker is killed; StoreUnavailableError when a store stays away.
    """
    if batch_size % rank_shard.world:
        raise ValueError(
            f"a batch of {batch_size} cannot be divided among {rank_shard.world} processes"
        )
    loader = DataLoader(
        clips,
        batch_sampler=_ClipNumbers(batch_size, start, rank_shard),
        num_workers=rank_shard.workers,
        collate_fn=_uncollated,
        worker_init_fn=_end_with_the_trainer,
        multiprocessing_context=LoaderContext() if rank_shard.workers else None,
        pin_memory=torch.cuda.is_available(),
        # The loader draws a number on creation; not from the generator that training resumes.
        generator=torch.Generator(),
    )
    damaged = DamagedShards(clips.max_damaged_shards)
    for batch in _worker_deaths_named(loader):
        if isinstance(batch, Exception):
            raise batch
        damaged.add(batch.damaged)
        yield batch.clips, batch.labels


def reference_clips(
    dataset: ClipDataset, clips_per_video: int, batch_size: int = 16
) -> Iterator[ClipBatch]:
    """The clips of EvenClips in batches; the last may be smaller. Raises DamagedShardError."""
    source = EvenClips(dataset, clips_per_video)
    for first in range(0, len(source), batch_size):
        clips, labels, _ = source.read(first, first + batch_size)
        yield clips, labels


class DamagedShards:
    """The damaged shards a process has found: each is reported once, one above ``limit`` raises."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.found: dict[str, DamagedShardError] = {}

    def add(self, errors: Iterable[DamagedShardError]) -> None:
        """Report those of ``errors`` that name a new shard; see too_many_damaged for UserErrors."""
        for error in errors:
            if error.shard in self.found:
                continue
            self.found[error.shard] = error
            if len(self.found) > self.limit:
                raise too_many_damaged(self.limit, self.found)
            count = f"{len(self.found)} of at most {self.limit}"
            print(f"loader: clips replaced, {count}: {error.what}", file=sys.stderr, flush=True)


class _ClipNumbers:
    """The clip numbers of one rank's rows, batch after batch, without end."""

    def __init__(self, batch_size: int, start: int, shard: RankShard) -> None:
        self.batch_size, self.start, self.shard = batch_size, start, shard

    def __iter__(self) -> Iterator[list[int]]:
        first = self.start * self.batch_size
        while True:
            yield list(range(first + self.shard.rank, first + self.batch_size, self.shard.world))
            first += self.batch_size


def _worker_deaths_named(loader: "DataLoader[LoadedBatch]") -> Iterator[Any]:
    """Iterate; raise UserError if a worker has died."""
    try:
        yield from _watched_batches(loader)
    except RuntimeError as error:
        # torch reports the death of a worker by this text alone.
        if "DataLoader worker" not in str(error):
            raise
        raise UserError(
            f"a loader process died: {error}",
            where=KEYS["launch.loader_workers"].place,
            todo="check dmesg for the out-of-memory killer and use fewer loader workers; the "
            "same command resumes from the last checkpoint",
        ) from error


def _watched_batches(loader: "DataLoader[LoadedBatch]") -> Iterator[Any]:
    """Iterate; a worker's death is noticed within seconds, and by whoever waits for its batch.

    torch also installs a handler of SIGCHLD that raises wherever the trainer is at that moment, for
    instance in the middle of saving, and again when the next worker ends. This removes it.
    """
    before = signal.getsignal(signal.SIGCHLD)
    batches = iter(loader)
    # Only the main thread may set handlers; torch does not in others, either.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, before)
    yield from batches


def _uncollated(batch: Any) -> Any:
    return batch


def _end_with_the_trainer(_: int) -> None:
    """Leave Ctrl-C to the trainer, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_parent_death_signal(signal.SIGKILL)


class LockFreeEvent:
    """An event without a lock: a byte that all forked processes share.

    Python's own has one: a process killed while it holds that (torch's workers look at their event
    before every batch) would stop the trainer, and whatever waits for its end, for ever. torch's
    loader never waits for the event.
    """

    def __init__(self) -> None:
        self._byte = RawValue(ctypes.c_bool, False)

    def is_set(self) -> bool:
        return self._byte.value

    def set(self) -> None:
        self._byte.value = True


class LoaderContext(ForkContext):
    """The context from which torch's DataLoader makes its processes, queues and event."""

    def Event(self) -> LockFreeEvent:  # type: ignore[override]  # noqa: N802
        return LockFreeEvent()
