"""`dvdgan shard`: decode once, resize, write WebDataset tars of fixed membership."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dvdgan.config import fingerprint
from dvdgan.data.manifest import read_manifest
from dvdgan.data.raw_root import open_root
from dvdgan.data.shard_upload import copy_index, refuse_other_shards, upload_shards, upload_tars
from dvdgan.data.shards import Plan, plan_shards, write_index, write_shards
from dvdgan.errors import UserError
from dvdgan.machine import Machine
from dvdgan.machine.keys import KEYS
from dvdgan.provenance.lock import fingerprint_of
from dvdgan.provenance.modules import code_of_stage
from dvdgan.stages.artefacts import INDEX, RUNS, SHARDS
from dvdgan.storage.local import publish, read_json, sha256_of_file
from dvdgan.storage.open_store import open_store
from dvdgan.storage.output import check_stage_output
from dvdgan.storage.reading import reading

if TYPE_CHECKING:
    from dvdgan.config import Config
    from dvdgan.storage.store import Store


def run(config: "Config", workers: int | None = None) -> None:
    """Write artifacts/shards; ``workers`` processes (default: one per core) change no byte of it.

    If DVDGAN_SHARDS is set, the shards are also uploaded there. Finished shards are kept in
    .runs/shard, so that an interrupted run resumes with the others. Raises UserError.
    """
    check_stage_output(SHARDS)
    job = _Job.of(config)
    store = _store_of(job.fingerprint)
    job.write(job.plans, workers)
    write_index(job.plans, config.shard, job.fingerprint, job.work)
    if store is not None:
        upload_shards(store, job.work / "shards")
    publish(job.work / "shards", SHARDS)
    shutil.rmtree(job.work)
    totals = read_json(SHARDS / "index.json")["totals"]
    print(
        f"shard: {totals['videos']} videos, {totals['frames']} frames, "
        f"{totals['bytes'] / 1e6:.1f} MB in {totals['shards']} shards -> {SHARDS}"
    )


def run_part(config: "Config", part: int, parts: int, workers: int | None = None) -> None:
    """Write each ``parts``-th shard, from number ``part`` (of 1 to ``parts``) on, into .runs/shard.

    Machines that share this folder can share the work; `run` then finds all shards finished, and
    uploaded if DVDGAN_SHARDS is set. Raises UserError.
    """
    job = _Job.of(config)
    store = _store_of(job.fingerprint)
    mine = job.plans[part - 1 :: parts]
    job.write(mine, workers)
    if store is not None:
        upload_tars(store, job.work / "shards", [plan.name for plan in mine])
    print(f"shard: part {part} of {parts}: {len(mine)} of {len(job.plans)} shards in {job.work}")


def upload() -> None:
    """Upload artifacts/shards to DVDGAN_SHARDS unchanged. Raises UserError."""
    url = _address()
    upload_shards(open_store(url), SHARDS)
    print(f"shard: {SHARDS} -> {url}")


def fetch_index() -> None:
    """Copy the index of the shards at DVDGAN_SHARDS to artifacts/shards. Raises UserError."""
    url = _address()
    copy_index(open_store(url), SHARDS)
    print(f"shard: index.json of {url} -> {SHARDS}")


def _address() -> str:
    url = Machine.load().stores.shards
    if url is None:
        raise UserError(
            "no store of shards is set",
            where=KEYS["stores.shards"].place,
            todo="set it to s3://BUCKET/PREFIX",
        )
    return url


def _store_of(fingerprint: str) -> "Store | None":
    """The store to which these shards are uploaded. Raises UserError if it holds other shards."""
    url = Machine.load().stores.shards
    if url is None:
        return None
    store = open_store(url)
    refuse_other_shards(store, fingerprint)
    return store


@dataclass(frozen=True)
class _Job:
    """The shards to write, and the folder for finished ones."""

    config: "Config"
    fingerprint: str
    plans: list[Plan]

    @classmethod
    def of(cls, config: "Config") -> "_Job":
        manifest = INDEX / "manifest.parquet"
        if not manifest.is_file():
            raise UserError(
                "the manifest does not exist", where=str(manifest), todo="run `dvdgan index` first"
            )
        code = fingerprint_of(code_of_stage("shard"))
        key = fingerprint(config.shard, sha256_of_file(manifest), code)
        rows = read_manifest(manifest)
        with reading(manifest, "a manifest of videos"):
            plans = plan_shards(rows, config.shard.videos_per_shard)
        return cls(config, key, plans)

    @property
    def work(self) -> Path:
        return RUNS / "shard" / self.fingerprint

    def write(self, plans: list[Plan], workers: int | None) -> None:
        root = open_root(self.config.index.root)
        write_shards(plans, root, self.config.shard, self.work, workers or os.cpu_count() or 1)
