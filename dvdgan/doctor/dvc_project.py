"""DVC's cache and its remote, as DVC itself opens them."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from dvdgan.doctor.disk import existing, shard_bytes, space
from dvdgan.doctor.finding import FAILS, NOT_USED, OK, WARNING, Finding, failure, size
from dvdgan.doctor.settings import DoctorSettings
from dvdgan.doctor.stores import round_trip
from dvdgan.storage.folder import FolderStore
from dvdgan.storage.s3_errors import of_cause

NAME = "dvc"
LINKS = ("reflink", "hardlink", "symlink")
COPY = "copy"
# DVC's default of cache.type.
DEFAULT_TYPES = ("reflink", COPY)
# Of the free space.
MOST_COPIED = 0.1


def check(settings: DoctorSettings) -> Iterator[Finding]:
    """A line for the cache and one for the remote."""
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo

    try:
        project = Repo(".")
    except NotDvcRepoError:
        yield Finding(
            NAME,
            FAILS,
            "this folder is not a DVC project",
            "run the command in the project's folder, or `dvc init`",
        )
        return
    with project:
        yield _cache(project)
        yield _remote(project)


def _cache(project: Any) -> Finding:
    """Space, and how outputs get from the cache to artifacts."""
    from dvc.fs import generic

    local = project.cache.local
    folder = Path(os.path.relpath(Path(local.path).parents[1]))  # below it: files/md5
    place = str(existing(folder))
    probe = os.path.join(project.root_dir, "probe")  # noqa: PTH118  DVC takes the folder of it
    links = generic.test_links(LINKS, local.fs, place, project.fs, probe)
    types = project.config["cache"].get("type") or DEFAULT_TYPES
    chosen = next((each for each in types if each in (*links, COPY)), COPY)
    shards = shard_bytes() or 0
    if chosen == COPY and shards > MOST_COPIED * psutil.disk_usage(place).free:
        return Finding(
            NAME,
            WARNING,
            f"{folder}: DVC copies each output to it, also {size(shards)} of shards",
            f"`dvc config --local cache.type {','.join([*links, COPY])}`: outputs are then linked, "
            "and read-only",
        )
    how = "copied to it" if chosen == COPY else f"links to it ({chosen})"
    return space(NAME, folder, 0, f"outputs are {how}", 0)


def _remote(project: Any) -> Finding:
    """A round trip, as `dvc push` and `dvc pull` make it."""
    name = project.config["core"].get("remote")
    if name is None:
        known = ", ".join(project.config["remote"])
        message = f"none of the remotes {known} is the default" if known else "there is no remote"
        todo = f"`dvc remote default {known.partition(',')[0]}`" if known else ""
        return Finding(NAME, WARNING if known else NOT_USED, message, todo)
    where = f"remote {name}, {project.config['remote'][name]['url']}"
    remote = project.cloud.get_remote(name)
    if remote.fs.protocol == "local":
        return round_trip(NAME, FolderStore(Path(remote.path)))
    key = remote.fs.join(remote.path, f"doctor-{uuid.uuid4().hex}")
    try:
        same = _written_and_read(remote.fs, key)
    except Exception as error:
        # DVC's clients of S3, Google, Azure, SSH each have errors of their own.
        found = failure(NAME, of_cause(error, "reach it", where))
        return found or Finding(
            NAME, FAILS, f"{where}: {type(error).__name__}: {error}", "see `dvc push --verbose`"
        )
    if not same:
        return Finding(NAME, FAILS, f"{where}: what was written was read with other bytes")
    return Finding(NAME, OK, f"{where}: written, read, deleted")


def _written_and_read(files: Any, key: str) -> bool:
    data = os.urandom(1024)
    try:
        files.pipe_file(key, data)
        return bool(files.cat_file(key) == data)
    finally:
        if files.exists(key):
            files.rm_file(key)
