"""Space, inodes and permissions of the folders that a run writes to."""

import json
import os
import tempfile
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from dvdgan.doctor.finding import FAILS, OK, WARNING, Finding, size
from dvdgan.doctor.settings import RUNS, SHARDS, DoctorSettings

if TYPE_CHECKING:
    from dvdgan.config.schema import Train

NAME = "disk"
FEWEST_INODES = 10_000
# The class embeddings of the paper's data set, where the shards do not exist yet.
KINETICS_CLASSES = 600
FREE_SPACE = "free some space, or put the project on another disk"


def check(settings: DoctorSettings) -> Iterator[Finding]:
    """A line for the run folder, and one for the shards' cache if there is one."""
    one = checkpoint_bytes(settings)
    count = kept_checkpoints(settings.train, settings.machine.retention.keep_every)
    yield space(
        NAME, RUNS, one * count, f"the run keeps up to {count} checkpoints of {size(one)}", one
    )
    cache, limit = settings.machine.stores.shard_cache, settings.machine.stores.shard_cache_bytes
    if cache is not None:
        shards = shard_bytes()
        most = limit if shards is None else min(limit, shards)
        yield space(NAME, cache, most, f"the cache of shards takes up to {size(most)}", 0)


def space(name: str, folder: Path, needed: float, what_for: str, least: float) -> Finding:
    """Whether ``folder`` can be written and has ``needed`` bytes; below ``least`` it fails."""
    place = existing(folder)
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(bytes(1 << 16))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return Finding(
            name,
            FAILS,
            f"{place} cannot be written: {error.strerror}",
            "change its permissions, free some space, or use another folder",
        )
    free, inodes = psutil.disk_usage(str(place)).free, os.statvfs(place)
    message = f"{folder}: {size(free)} free; {what_for}"
    if free < least:
        return Finding(name, FAILS, message, FREE_SPACE)
    if free < needed:
        todo = f"{FREE_SPACE}; what an earlier run of these params wrote there counts"
        return Finding(name, WARNING, message, todo)
    # Some file systems have no limit and report 0 of 0.
    if inodes.f_files and inodes.f_favail < FEWEST_INODES:
        few = f"{folder}: {inodes.f_favail:,} more files can be made"
        return Finding(name, WARNING, few, "remove small files, or use another disk")
    return Finding(name, OK, message)


def existing(folder: Path) -> Path:
    """``folder``, or the nearest folder above it that exists."""
    folder = folder.absolute()
    return next(each for each in (folder, *folder.parents) if each.exists())


def shard_bytes() -> int | None:
    """Of all tars in artifacts/shards/index.json; None if it does not exist."""
    index = SHARDS / "index.json"
    if not index.is_file():
        return None
    return sum(int(tar["bytes"]) for tar in json.loads(index.read_bytes())["shards"])


def checkpoint_bytes(settings: DoctorSettings) -> int:
    """Weights and two moments of Adam in float32, and G's average."""
    from dvdgan.models.build import build_discriminators, build_generator
    from dvdgan.models.meta import without_memory

    index = SHARDS / "index.json"
    classes = KINETICS_CLASSES
    if index.is_file():
        classes = len(json.loads(index.read_bytes())["classes"])
    with without_memory():
        generator = build_generator(settings.model, settings.clip, classes)
        discriminators = build_discriminators(settings.model, settings.clip, classes)
    g, d = (
        sum(each.numel() for each in network.parameters())
        for network in (generator, discriminators)
    )
    return 16 * g + 12 * d


def kept_checkpoints(train: "Train", keep_every: int | None) -> int:
    """At most, in a run whose every evaluation is the best so far; one is being written."""
    written = ceil(train.steps / train.checkpoint_every)
    waiting = ceil(train.guard.evaluate_every / train.checkpoint_every)
    best = train.steps // train.guard.evaluate_every
    by_step = train.steps // keep_every if keep_every else 0
    return min(written, best + waiting + by_step) + 1
