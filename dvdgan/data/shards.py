"""Manifest -> WebDataset tars of fixed membership, and the index that finds a window in them.

Which videos a shard holds follows from the manifest and the params alone, so any number of worker
processes writes the same bytes. A sample is `<id>.frames` (see frame_pack) and `<id>.json`.
"""

import hashlib
import tarfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pebble import ProcessExpired

from dvdgan.data.manifest import TEST, TRAIN, write_rows
from dvdgan.data.raw_root import RawRoot
from dvdgan.data.samples import changed, encode_sample, stored_shape
from dvdgan.data.shard_index import SAMPLE_SCHEMA
from dvdgan.data.workers import worker_pool
from dvdgan.progress import Progress
from dvdgan.storage.local import atomic_file, read_json, sha256_of_file, write_json

if TYPE_CHECKING:
    from dvdgan.config.schema import Shard

# Finished samples that may wait for a slow one before them: a bound on memory.
AHEAD = 64

SampleRow = dict[str, Any]
Sample = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """One shard before it is written: its file name, its split, its rows of the manifest."""

    name: str
    split: str
    videos: tuple[dict[str, Any], ...]


def plan_shards(videos: Iterable[dict[str, Any]], videos_per_shard: int) -> list[Plan]:
    """Deal the videos of each split, in an order fixed by hashing their ids, into shards."""
    rows = sorted(videos, key=lambda row: hashlib.sha256(row["id"].encode()).hexdigest())
    plans = []
    for split in (TRAIN, TEST):
        own = [row for row in rows if row["split"] == split]
        for number, first in enumerate(range(0, len(own), videos_per_shard)):
            members = tuple(own[first : first + videos_per_shard])
            plans.append(Plan(f"{split}-{number:05d}.tar", split, members))
    return plans


def write_shards(
    plans: Sequence[Plan], root: RawRoot, section: "Shard", work: Path, workers: int
) -> None:
    """Write the tars that ``work`` does not hold yet into ``work``/shards.

    ``workers`` processes decode and encode; this one writes tar after tar. A finished shard has its
    record in ``work``/done; an interrupted call keeps those and resumes with the rest. Raises
    UserError naming a video that is no longer what the manifest says.
    """
    (work / "shards").mkdir(parents=True, exist_ok=True)
    missing = [plan for plan in plans if not _is_done(work, plan)]
    for plan in missing:  # other calls may be writing other shards
        for abandoned in (work / "shards").glob(f".{plan.name}.*.tmp"):  # by one that was killed
            abandoned.unlink()
    if not missing:
        return
    rows = [row for plan in missing for row in plan.videos]
    with (
        Progress("shard", len(rows), "videos") as progress,
        _encoded(rows, root, section, min(workers, len(rows))) as samples,
    ):
        for plan in missing:
            _write_shard(plan, islice(samples, len(plan.videos)), section, work, progress)


@contextmanager
def _encoded(
    rows: Sequence[SampleRow], root: RawRoot, section: "Shard", workers: int
) -> Iterator[Iterator[Sample]]:
    """Give the sample of each row, in their order; workers begin before the first is taken."""
    # Plain numbers, because unpickling the section would import pydantic in every worker.
    task = partial(encode_sample, root=root, short_side=section.short_side, quality=section.quality)
    if workers == 1:
        yield map(task, rows)
        return
    with worker_pool(workers) as pool:
        rest = iter(rows)
        ahead = deque((row, pool.schedule(task, (row,))) for row in islice(rest, workers + AHEAD))

        def in_order() -> Iterator[Sample]:
            while ahead:
                row, future = ahead.popleft()
                ahead.extend((later, pool.schedule(task, (later,))) for later in islice(rest, 1))
                try:
                    sample = future.result()
                except ProcessExpired as error:
                    why = f"the decoder died (exit code {error.exitcode})"
                    raise changed(row, root, why) from error
                yield sample

        yield in_order()


def write_index(plans: Sequence[Plan], section: "Shard", fingerprint: str, work: Path) -> None:
    """Write index.json and samples.parquet next to the finished tars in ``work``/shards."""
    records = [read_json(_record(work, plan)) for plan in plans]
    classes = {row["label"]: row["class"] for plan in plans for row in plan.videos}
    shards = [record["shard"] for record in records]
    samples = [sample for record in records for sample in record["samples"]]
    write_rows(samples, SAMPLE_SCHEMA, work / "shards" / "samples.parquet")
    index = {
        "classes": [classes[label] for label in sorted(classes)],
        "short_side": section.short_side,
        "quality": section.quality,
        "fingerprint": fingerprint,
        "shards": shards,
        "totals": {
            "shards": len(shards),
            "videos": len(samples),
            "frames": sum(sample["frames"] for sample in samples),
            "bytes": sum(shard["bytes"] for shard in shards),
        },
    }
    write_json(work / "shards" / "index.json", index)


def _record(work: Path, plan: Plan) -> Path:
    return work / "done" / f"{plan.name}.json"


def _is_done(work: Path, plan: Plan) -> bool:
    tar = work / "shards" / plan.name
    if not (_record(work, plan).is_file() and tar.is_file()):
        return False
    return bool(read_json(_record(work, plan))["shard"]["bytes"] == tar.stat().st_size)


def _write_shard(
    plan: Plan, samples: Iterable[Sample], section: "Shard", work: Path, progress: Progress
) -> None:
    # Here, because it imports torch, seconds in which the workers are already decoding.
    from webdataset import TarWriter

    path = work / "shards" / plan.name
    with (
        atomic_file(path) as aside,
        aside.open("wb") as file,
        TarWriter(file, mtime=0, user="root", group="root") as tar,
    ):
        for sample in samples:
            tar.write(sample)
            progress.advance()
    counts = Counter(row["class"] for row in plan.videos)
    shard = {
        "name": plan.name,
        "split": plan.split,
        "videos": len(plan.videos),
        "bytes": path.stat().st_size,
        "sha256": sha256_of_file(path),
        "classes": dict(sorted(counts.items())),
    }
    write_json(_record(work, plan), {"shard": shard, "samples": _located(path, plan, section)})


def _located(path: Path, plan: Plan, section: "Shard") -> list[dict[str, Any]]:
    with tarfile.open(path, "r:") as tar:
        members = {member.name: member for member in tar}
    samples = []
    for row in plan.videos:
        member = members[f"{row['id']}.frames"]
        height, width = stored_shape(row, section.short_side)
        samples.append(
            {
                **{key: row[key] for key in ("id", "label", "split", "frames", "fps")},
                "shard": plan.name,
                "offset": member.offset_data,
                "size": member.size,
                "width": width,
                "height": height,
            }
        )
    return samples
