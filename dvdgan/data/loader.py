"""Clips -> batches: endless random ones for training, fixed ones for statistics."""

import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader

from dvdgan.data.damage import DamageBudget
from dvdgan.data.dataset import ClipDataset
from dvdgan.data.loader_processes import LoaderContext
from dvdgan.data.random_clips import Batch, Clips, RandomClips
from dvdgan.data.sources.even_clips import EvenClips
from dvdgan.errors import UserError
from dvdgan.guard.parent_death_signal import set_parent_death_signal


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
    clips: RandomClips, batch_size: int, start: int = 0, share: RankShard = ALL
) -> Iterator[Clips]:
    """Endless batches from number ``start`` on: clips (B / world, T, 3, H, W) uint8, labels int64.

    Global batch n holds clips n B to (n + 1) B - 1, whatever the workers and ranks. A damaged shard
    is reported on stderr once. Raises UserError when this process has met more of them than
    ``clips`` allows, and when a worker is killed; StoreUnavailableError when a store stays away.
    """
    if batch_size % share.world:
        raise ValueError(f"a batch of {batch_size} cannot be shared by {share.world} processes")
    loader = DataLoader(
        clips,
        batch_sampler=_Numbers(batch_size, start, share),
        num_workers=share.workers,
        collate_fn=_unchanged,
        worker_init_fn=_serve_the_trainer,
        multiprocessing_context=LoaderContext() if share.workers else None,
        pin_memory=torch.cuda.is_available(),
        # The loader draws a number on creation; not from the generator that training resumes.
        generator=torch.Generator(),
    )
    budget = DamageBudget(clips.max_damaged_shards)
    for batch in _named_deaths(loader):
        if isinstance(batch, Exception):
            raise batch
        budget.spend(batch.damaged)
        yield batch.clips, batch.labels


def reference_clips(
    dataset: ClipDataset, clips_per_video: int, batch_size: int = 16
) -> Iterator[Clips]:
    """The clips of EvenClips in batches; the last may be smaller. Raises DamagedShardError."""
    source = EvenClips(dataset, clips_per_video)
    for first in range(0, len(source), batch_size):
        clips, labels, _ = source.read(first, first + batch_size)
        yield clips, labels


class _Numbers:
    """The clip numbers of one rank's rows, batch after batch, without end."""

    def __init__(self, batch_size: int, start: int, share: RankShard) -> None:
        self.batch_size, self.start, self.share = batch_size, start, share

    def __iter__(self) -> Iterator[list[int]]:
        first = self.start * self.batch_size
        while True:
            yield list(range(first + self.share.rank, first + self.batch_size, self.share.world))
            first += self.batch_size


def _named_deaths(loader: "DataLoader[Batch]") -> Iterator[Any]:
    try:
        yield from _watched_while_waiting(loader)
    except RuntimeError as error:
        # torch watches its workers, and has nothing but this text for what it sees.
        if "DataLoader worker" not in str(error):
            raise
        raise UserError(
            f"a process that loads clips ended: {error}",
            where="DVDGAN_LOADER_WORKERS",
            todo="look for the kernel's out-of-memory killer (dmesg), set fewer loader workers, "
            "and run the same command again: it goes on from the last checkpoint",
        ) from error


def _watched_while_waiting(loader: "DataLoader[Batch]") -> Iterator[Any]:
    """Iterate; a worker's death is noticed within seconds, and by whoever waits for its batch.

    torch also has SIGCHLD raise, wherever the trainer then is, and again when the next worker ends:
    in the middle of saving, or of answering the first error. That is undone.
    """
    before = signal.getsignal(signal.SIGCHLD)
    batches = iter(loader)
    # Signals are the main thread's; torch leaves them alone in others, too.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, before)
    yield from batches


def _unchanged(batch: Any) -> Any:
    return batch


def _serve_the_trainer(_: int) -> None:
    """Leave Ctrl-C to the trainer, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_parent_death_signal(signal.SIGKILL)
