"""Round trips to the stores of backups and shards, and a look at the videos in one."""

import os
import time
import uuid
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from dvdgan.doctor.disk import existing
from dvdgan.doctor.finding import FAILS, NOT_USED, OK, WARNING, Finding, failure, size
from dvdgan.doctor.settings import SHARDS, DoctorSettings
from dvdgan.errors import UserError
from dvdgan.storage.folder import FolderStore
from dvdgan.storage.open_store import open_store
from dvdgan.storage.store import Store, StoreUnavailableError

BACKUP, SHARD_STORE, VIDEOS = "backup", "shards", "videos"
SMALL_BYTES, LARGE_BYTES = 1 << 10, 4 << 20
INDEX = "index.json"


def check_backup(settings: DoctorSettings) -> Iterator[Finding]:
    """A round trip to DVDGAN_BACKUP."""
    url = settings.machine.stores.backup
    if url is None:
        yield Finding(BACKUP, NOT_USED, "DVDGAN_BACKUP is not set: no run is backed up")
    else:
        yield round_trip(BACKUP, open_store(url))


def check_shards(settings: DoctorSettings) -> Iterator[Finding]:
    """Reads shards of DVDGAN_SHARDS; where they are not uploaded yet, a round trip."""
    url = settings.machine.stores.shards
    if url is None:
        yield Finding(SHARD_STORE, NOT_USED, f"DVDGAN_SHARDS is not set: shards are in {SHARDS}")
        return
    store = open_store(url)
    try:
        index = store.read_bytes(INDEX)
    except FileNotFoundError:
        yield round_trip(SHARD_STORE, store)
        return
    local = SHARDS / INDEX
    if local.is_file() and local.read_bytes() != index:
        yield Finding(
            SHARD_STORE,
            FAILS,
            f"the shards at {store} are not those in {SHARDS}",
            "upload them (`dvdgan shard --upload`), or remove the local folder",
        )
        return
    tars = [entry for entry in store.entries() if entry.key.endswith(".tar")]
    if not tars:
        todo = "`dvdgan shard --upload`"
        yield Finding(SHARD_STORE, FAILS, f"{store} has {INDEX} and no shards", todo)
        return
    rate = _reading_rate(store, tars[0].key, tars[0].size)
    yield Finding(SHARD_STORE, OK, f"{store}: {len(tars):,} shards, {rate}")


def check_videos(settings: DoctorSettings) -> Iterator[Finding]:
    """Lists and reads index.root."""
    from dvdgan.data.raw_root import ListedRoot, StoredRoot, open_root  # they load pyarrow

    place = settings.videos
    if "://" not in place and not Path(place).exists():
        yield Finding(
            VIDEOS,
            WARNING,
            f"index.root, {place}, does not exist",
            "the stages index and shard need it; correct index.root in params.yaml, or get it "
            "with `dvc pull`",
        )
        return
    root = open_root(place)
    where = f"{place}, a listing of {root}" if isinstance(root, ListedRoot) else place
    behind = open_root(str(root)) if isinstance(root, ListedRoot) else root
    if not isinstance(behind, StoredRoot):
        known = Path(str(root)).is_dir()
        state, todo = (OK, "") if known else (WARNING, "the stages index and shard need the folder")
        yield Finding(VIDEOS, state, f"{where}: {'a' if known else 'not a'} folder", todo)
        return
    entry = behind.store.any_entry()
    if entry is None:
        todo = "give a prefix that contains videos"
        yield Finding(VIDEOS, FAILS, f"no files were found in {where}", todo)
        return
    yield Finding(VIDEOS, OK, f"{where}: {_reading_rate(behind.store, entry.key, entry.size)}")


def round_trip(name: str, store: Store) -> Finding:
    """Write, list, read, compare and delete a small file, then a larger one for the rates."""
    where = str(store)
    if isinstance(store, FolderStore):  # a folder that does not exist yet is not left behind
        store = FolderStore(existing(store.root))
    key = f"doctor-{uuid.uuid4().hex}"
    try:
        is_same, measured = _written_and_read(store, key)
    except BaseException:  # also when the time is over
        _delete(store, key)  # the first error is the one to report
        raise
    error = _delete(store, key)
    refused = None if error is None else failure(name, error)
    if refused is not None:
        return Finding(name, FAILS, f"{refused.message}; it is left there", refused.todo)
    if not is_same:
        message = f"{where}: a file that was written is not listed, or was read with other bytes"
        return Finding(name, FAILS, message, "use a store that shows what was written at once")
    return Finding(name, OK, f"{where}: written, listed, read, deleted; {measured}")


def _written_and_read(store: Store, key: str) -> tuple[bool, str]:
    """Whether all that was written is listed and read, and how fast it was."""
    small, large = os.urandom(SMALL_BYTES), os.urandom(LARGE_BYTES)
    times = [time.monotonic()]
    store.write_bytes(key, small)
    is_same = store.keys(key) == [key] and store.read_bytes(key) == small
    times.append(time.monotonic())
    store.write_bytes(key, large)
    times.append(time.monotonic())
    is_same = is_same and store.read_bytes(key) == large
    times.append(time.monotonic())
    trip, there, back = (after - before for before, after in pairwise(times))
    rates = f"{_rate(LARGE_BYTES, there)} there, {_rate(LARGE_BYTES, back)} back"
    return is_same, f"{1000 * trip:.0f} ms, {rates}"


def _delete(store: Store, key: str) -> Exception | None:
    """The error, if ``key`` cannot be deleted."""
    try:
        store.delete(key)
    except (UserError, StoreUnavailableError) as error:
        return error
    return None


def _reading_rate(store: Store, key: str, available: int) -> str:
    """Read a file's first megabytes: how long one request takes, and the rate."""
    length = min(available, LARGE_BYTES)
    began = time.monotonic()
    store.read(key, 0, 1)
    first = time.monotonic() - began
    store.read(key, 0, length)
    return f"{1000 * first:.0f} ms, {_rate(length, time.monotonic() - began - first)} from it"


def _rate(count: int, seconds: float) -> str:
    return f"{size(count / max(seconds, 1e-6))}/s"
