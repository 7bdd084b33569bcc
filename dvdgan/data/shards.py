"""Manifest -> WebDataset tars of fixed membership, and the index that finds a window in them.

Which videos a shard holds follows from the manifest and the params alone, so any number of worker
processes writes the same bytes. A sample is `<id>.frames` (see frame_pack) and `<id>.json`.
"""

import hashlib
import json
import multiprocessing
import signal
import tarfile
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from webdataset import TarWriter

from dvdgan.data.frame_pack import pack
from dvdgan.data.manifest import TEST, TRAIN
from dvdgan.errors import UserError
from dvdgan.guard.lifeline import die_with_parent
from dvdgan.progress import track
from dvdgan.storage.local import atomic_file, read_json, sha256_of_file, write_json
from dvdgan.video.decode import VideoError, frames
from dvdgan.video.jpeg import encode_frame
from dvdgan.video.transform import resize_short_side, resized_shape

if TYPE_CHECKING:
    from dvdgan.config.schema import Shard

SAMPLES = pa.schema(
    [
        ("id", pa.string()),
        ("label", pa.int64()),
        ("split", pa.string()),
        ("shard", pa.string()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("frames", pa.int64()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("fps", pa.float64()),
    ]
)


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
    plans: Sequence[Plan], root: Path, section: "Shard", work: Path, workers: int
) -> None:
    """Write the tars that ``work`` does not hold yet into ``work``/shards, one process each.

    A finished shard has its record in ``work``/done; an interrupted call keeps those and goes on
    with the rest. Raises UserError naming a video that is no longer what the manifest says.
    """
    (work / "shards").mkdir(parents=True, exist_ok=True)
    for abandoned in (work / "shards").glob(".*.tmp"):  # by a call that was killed
        abandoned.unlink()
    missing = [plan for plan in plans if not _is_done(work, plan)]
    task = partial(_write_shard, root=root, section=section, work=work)
    processes = min(workers, len(missing))
    if processes <= 1:
        for plan in track(missing, "shard", len(missing), "shards"):
            task(plan)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        processes, context, initializer=die_with_parent, initargs=(signal.SIGKILL,)
    ) as pool:
        try:
            for _ in track(pool.map(task, missing), "shard", len(missing), "shards"):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def write_index(plans: Sequence[Plan], section: "Shard", fingerprint: str, work: Path) -> None:
    """Write index.json and samples.parquet beside the finished tars in ``work``/shards."""
    records = [read_json(_record(work, plan)) for plan in plans]
    classes = {row["label"]: row["class"] for plan in plans for row in plan.videos}
    shards = [record["shard"] for record in records]
    samples = [sample for record in records for sample in record["samples"]]
    with atomic_file(work / "shards" / "samples.parquet") as aside:
        pq.write_table(pa.Table.from_pylist(samples, schema=SAMPLES), aside)
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


def _write_shard(plan: Plan, root: Path, section: "Shard", work: Path) -> None:
    path = work / "shards" / plan.name
    with (
        atomic_file(path) as aside,
        aside.open("wb") as file,
        TarWriter(file, mtime=0, user="root", group="root") as tar,
    ):
        for row in plan.videos:
            tar.write(_sample(row, root, section))
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
        height, width = _stored_shape(row, section)
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


def _sample(row: dict[str, Any], root: Path, section: "Shard") -> dict[str, Any]:
    path = root / row["path"]
    try:
        if sha256_of_file(path) != row["sha256"]:
            raise _changed(row, root, "its bytes are not those that were indexed")
        # One decoded frame in memory at a time; only the JPEGs of one video are held.
        jpegs = [
            encode_frame(
                resize_short_side(frame, section.short_side, row["sample_aspect"]),
                section.quality,
            )
            for frame in frames(path)
        ]
    except (OSError, VideoError) as error:
        raise _changed(row, root, str(error)) from error
    if len(jpegs) != row["frames"]:
        raise _changed(row, root, f"{len(jpegs)} frames decode, {row['frames']} were indexed")
    height, width = _stored_shape(row, section)
    facts = {
        **{key: row[key] for key in ("id", "class", "label", "frames", "fps")},
        "width": width,
        "height": height,
    }
    return {
        "__key__": row["id"],
        "frames": pack(jpegs),
        "json": json.dumps(facts, sort_keys=True, ensure_ascii=False).encode(),
    }


def _stored_shape(row: dict[str, Any], section: "Shard") -> tuple[int, int]:
    return resized_shape(row["height"], row["width"], section.short_side, row["sample_aspect"])


def _changed(row: dict[str, Any], root: Path, why: str) -> UserError:
    return UserError(
        f"the video {row['path']!r} is no longer what the manifest says: {why}",
        where=str(root / row["path"]),
        todo="run `dvdgan index` again",
    )
