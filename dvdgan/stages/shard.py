"""`dvdgan shard`: decode once, resize, write WebDataset tars of fixed membership."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from dvdgan.config import fingerprint
from dvdgan.data.manifest import read_manifest
from dvdgan.data.shards import plan_shards, write_index, write_shards
from dvdgan.errors import UserError
from dvdgan.stages.artefacts import INDEX, RUNS, SHARDS
from dvdgan.storage.local import publish, read_json, sha256_of_file

if TYPE_CHECKING:
    from dvdgan.config import Config


def run(config: "Config", workers: int | None = None) -> None:
    """Write artifacts/shards; ``workers`` processes (default: one per core) change no byte of it.

    Interrupted, it keeps its finished shards in .runs/shard and goes on with the rest when run
    again. Raises UserError.
    """
    manifest = INDEX / "manifest.parquet"
    if not manifest.is_file():
        raise UserError(
            "there is no manifest", where=str(manifest), todo="run `dvdgan index` first"
        )
    mark = fingerprint(config.shard, config.index.root, sha256_of_file(manifest))
    work = RUNS / "shard" / mark
    plans = plan_shards(read_manifest(manifest), config.shard.videos_per_shard)
    write_shards(plans, Path(config.index.root), config.shard, work, workers or os.cpu_count() or 1)
    write_index(plans, config.shard, mark, work)
    publish(work / "shards", SHARDS)
    shutil.rmtree(work)
    totals = read_json(SHARDS / "index.json")["totals"]
    print(
        f"shard: {totals['videos']} videos, {totals['frames']} frames, "
        f"{totals['bytes'] / 1e6:.1f} MB in {totals['shards']} shards -> {SHARDS}"
    )
