"""Damaged shards: the error that names one, and how many a run puts up with."""

import sys
from collections.abc import Iterable, Mapping

from dvdgan.errors import UserError


class DamagedShardError(UserError):
    """A shard that does not hold what its index says; ``shard`` is its name."""

    shard: str

    @classmethod
    def at(cls, shard: str, sample: str, why: object, where: str) -> "DamagedShardError":
        """The error of the clip of ``sample`` that could not be read."""
        error = cls(
            f"shard {shard} is damaged at sample {sample}: {why}",
            where=where,
            todo="run `dvc repro shard` (or `dvc checkout`) to restore it",
        )
        error.shard = shard
        return error


class DamageBudget:
    """The damaged shards one process has met: each is reported once, one above ``limit`` raises."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.met: dict[str, DamagedShardError] = {}

    def spend(self, errors: Iterable[DamagedShardError]) -> None:
        """Report those of ``errors`` that name a new shard; see ``beyond`` for what it raises."""
        for error in errors:
            if error.shard in self.met:
                continue
            self.met[error.shard] = error
            if len(self.met) > self.limit:
                raise beyond(self.limit, self.met)
            count = f"{len(self.met)} of at most {self.limit}"
            print(f"loader: clips replaced, {count}: {error.what}", file=sys.stderr, flush=True)


def beyond(limit: int, met: Mapping[str, DamagedShardError]) -> UserError:
    """The error that stops a run which met more than ``limit`` damaged shards, by their names."""
    if len(met) == 1:
        return next(iter(met.values()))
    reasons = "".join(f"\n  {error.what}" for error in met.values())
    return UserError(
        f"{len(met)} shards are damaged, more than train.max_damaged_shards = {limit}:{reasons}",
        where=next(iter(met.values())).where,
        todo="run `dvc repro shard` (or `dvc checkout`) to restore them",
    )
