"""Shards of a few small videos, and batches of them as rows that compare in one go."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import torch
from raw_index import manifest_of, section

from dvdgan.config.schema import Shard
from dvdgan.data.inspection import Limits
from dvdgan.data.raw_root import LocalRoot
from dvdgan.data.shards import plan_shards, write_index, write_shards


def shards_of(root: Path, work: Path, short_side: int = 32) -> Path:
    """Shards of at most three videos each, in ``work``."""
    limits = Limits(32, 10**6, 12, 2)
    manifest = manifest_of(section(root), work / "outcomes", limits=limits)
    params = Shard(short_side=short_side, quality=95, videos_per_shard=3)
    plans = plan_shards(manifest.videos, params.videos_per_shard)
    write_shards(plans, LocalRoot(root), params, work, workers=1)
    write_index(plans, params, "test", work)
    return work / "shards"


def rows(batches: Iterator[tuple[torch.Tensor, torch.Tensor]], count: int) -> list[torch.Tensor]:
    """The next ``count`` batches, a row a clip: its pixels, then its label."""
    taken = itertools.islice(batches, count)
    return [torch.cat([clips.flatten(1), labels[:, None]], 1) for clips, labels in taken]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    """Whether all batches are equal."""
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
