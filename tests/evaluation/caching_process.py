"""Processes that extract features of noise clips into a cache; the last may be killed at a place.

python caching_process.py NETWORK COUNT CACHE:WORLD:PLACE ... prints a line of exit codes for each
cache. PLACE is empty where none is killed.
"""

import hashlib
import os
import signal
import sys
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from dvdgan.evaluation.feature_cache import FeatureCache
from dvdgan.evaluation.networks.feature_network import FeatureNetwork


class Read(NamedTuple):
    """What stands at some places."""

    clips: Tensor
    labels: Tensor
    refused: list[str]


class NoiseClips:
    """``count`` clips of 2 x 32 x 32, each drawn from its place; every ``refusing``-th is none."""

    def __init__(self, count: int, dies_at: int | None = None, refusing: int = 0) -> None:
        self.count, self.dies_at, self.refusing = count, dies_at, refusing
        self.read_indices: list[int] = []

    def __len__(self) -> int:
        return self.count

    def fingerprint(self) -> str:
        return hashlib.sha256(f"noise {self.count} {self.refusing}".encode()).hexdigest()

    def read(self, start: int, stop: int) -> Read:
        clips, labels, refused = [], [], []
        for place in range(start, stop):
            self.read_indices.append(place)
            if place == self.dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            if self.refusing and place % self.refusing == 0:
                refused.append(f"{place}: broken")
                continue
            draws = torch.Generator().manual_seed(place)
            clips.append(torch.randint(256, (2, 3, 32, 32), generator=draws).to(torch.uint8))
            labels.append(place % 7)
        stacked = torch.stack(clips) if clips else torch.empty(0, 2, 3, 32, 32, dtype=torch.uint8)
        return Read(stacked, torch.tensor(labels, dtype=torch.int64), refused)


def main() -> None:
    """Fork a process for each rank, since importing torch takes longer than the work."""
    network, count, *caches = sys.argv[1:]
    for cache in caches:
        root, world, dies_at = cache.split(":")
        children = []
        for rank in range(int(world)):
            last = rank == int(world) - 1
            child = os.fork()
            if child == 0:
                place = int(dies_at) if dies_at and last else None
                source = NoiseClips(int(count), place)
                mine = FeatureCache(FeatureNetwork.load(Path(network)), source, Path(root))
                mine.extract_parts(mine.numbers[rank :: int(world)])
                return
            children.append(child)
        ended = [os.waitpid(child, 0)[1] for child in children]
        print(*map(os.waitstatus_to_exitcode, ended), flush=True)


if __name__ == "__main__":
    main()
