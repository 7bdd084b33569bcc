"""Loader workers: killed, they are named; orphaned, they end."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dvdgan.data.dataset import ClipDataset
from dvdgan.data.loader import RankShard, training_batches
from dvdgan.data.random_clips import RandomClips
from dvdgan.errors import UserError

TRAINER = """
import multiprocessing, sys, time
from pathlib import Path
from dvdgan.data.dataset import ClipDataset
from dvdgan.data.loader import RankShard, training_batches
from dvdgan.data.random_clips import RandomClips
clips = RandomClips(ClipDataset(Path(sys.argv[1]), "train", 32, 12, 2), 0)
batches = training_batches(clips, 4, rank_shard=RankShard(workers=2))
next(batches)
print(*(child.pid for child in multiprocessing.active_children()), flush=True)
time.sleep(600)
"""


@pytest.mark.timeout(120)
def test_a_killed_worker_is_named_and_nobody_hangs(shards: Path) -> None:
    """Whatever it was doing, and whatever lock it has: six moments."""
    clips = RandomClips(ClipDataset(shards, "train", 32, 12, 2), 0)
    rng = random.Random(0)
    for _ in range(6):
        before = set(multiprocessing.active_children())
        batches = training_batches(clips, 4, rank_shard=RankShard(workers=2))
        next(batches)
        victim = min(child.pid for child in set(multiprocessing.active_children()) - before)
        time.sleep(rng.uniform(0, 0.02))
        os.kill(victim, signal.SIGKILL)
        time.sleep(0.2)  # nothing is raised where nobody waits for clips
        with pytest.raises(UserError, match=rf"worker \(pid.* {victim}\)"):
            while True:
                next(batches)
        del batches  # the other worker ends, which must not raise a second time
        time.sleep(0.1)


@pytest.mark.timeout(60)
def test_a_death_noticed_while_waiting_says_what_to_do(
    shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that ends as soon as clips are requested."""
    monkeypatch.setattr(RandomClips, "__getitems__", lambda *_: os._exit(3))
    clips = RandomClips(ClipDataset(shards, "train", 32, 12, 2), 0)
    with pytest.raises(UserError, match="a loader process died") as ended:
        next(training_batches(clips, 4, rank_shard=RankShard(workers=1)))
    assert "use fewer loader workers" in str(ended.value)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel request is Linux's")
def test_workers_end_with_a_killed_trainer(shards: Path) -> None:
    trainer = subprocess.Popen(
        [sys.executable, "-c", TRAINER, str(shards)], stdout=subprocess.PIPE, text=True
    )
    assert trainer.stdout is not None
    workers = [int(pid) for pid in trainer.stdout.readline().split()]
    try:
        assert len(workers) == 2 and all(map(is_running, workers))
        # A stopped process cannot look after itself: only the kernel ends it.
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        trainer.kill()
        trainer.wait()
        end = time.monotonic() + 30
        while any(map(is_running, workers)) and time.monotonic() < end:
            time.sleep(0.05)
        assert not any(map(is_running, workers))
    finally:
        trainer.kill()
        trainer.wait()
        trainer.stdout.close()
        for pid in filter(is_running, workers):
            os.kill(pid, signal.SIGKILL)


def is_running(pid: int) -> bool:
    """Not gone, and not a zombie that nobody has waited for."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
