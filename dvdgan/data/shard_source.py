"""Where shards are read: a folder on a local disk, or a store, range by range."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from dvdgan.data.frame_pack import Read
from dvdgan.data.shard_index import Tar, parse_index
from dvdgan.errors import UserError
from dvdgan.machine import Machine
from dvdgan.machine.keys import KEYS
from dvdgan.storage.bounded_cache import BoundedCache
from dvdgan.storage.open_store import open_store

if TYPE_CHECKING:
    from dvdgan.storage.store import Store

INDEX, SAMPLES = "index.json", "samples.parquet"

# Clips that a process reads from a store at a time: a request takes long, and costs it little.
AT_ONCE = 32

Item = TypeVar("Item")
Result = TypeVar("Result")


class ShardSource(Protocol):
    """A set of shards: its index, its table of samples, and its tars by name."""

    def where(self, name: str = "") -> str:
        """The place of file ``name``, or of the whole set, for messages."""

    def read_all(self, name: str) -> bytes:
        """All of a small file; FileNotFoundError if there is none."""

    def open(self, tar: Tar, at: int, size: int) -> AbstractContextManager[Read]:
        """Give what reads bytes ``at`` to ``at + size`` of ``tar``.

        Raises OSError or ValueError unless the tar is there, and as long as it has to be.
        """

    def in_order(self, task: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """``task`` of each of ``items``, which each read a little from here."""


class LocalShards:
    """Shards in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def where(self, name: str = "") -> str:
        return str(self.folder / name)

    def read_all(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    @contextmanager
    def open(self, tar: Tar, at: int, size: int) -> Iterator[Read]:
        # A pipe would make us wait.
        file = os.open(self.folder / tar.name, os.O_RDONLY | os.O_NONBLOCK)

        def read(start: int, length: int) -> bytes:
            return _whole(os.pread(file, length, start), start, length)

        try:
            _check_size(os.fstat(file).st_size, tar)
            yield read
        finally:
            os.close(file)

    def in_order(self, task: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        return [task(item) for item in items]


class StoredShards:
    """Shards in a store: one request for each read, and at first one for the size of a tar.

    With a ``cache`` the first read of a sample requests all of it, and what follows none: a sample
    is read a window at a time, another one each epoch.
    """

    def __init__(self, store: "Store", cache: BoundedCache | None = None) -> None:
        self.store, self.cache = store, cache
        self._sizes: dict[str, int] = {}

    def where(self, name: str = "") -> str:
        return f"{self.store}/{name}" if name else str(self.store)

    def read_all(self, name: str) -> bytes:
        return self.store.read_bytes(name)

    @contextmanager
    def open(self, tar: Tar, at: int, size: int) -> Iterator[Read]:
        whole: list[bytes] = []

        def read(start: int, length: int) -> bytes:
            if whole:
                return _part(whole[0], at, start, length)
            if self.cache is None or not self.cache.takes(size):
                return self._request(tar, start, length)
            # Of these very bytes: another set of shards has other keys.
            key = f"{tar.sha256}-{at}-{size}"
            data = self.cache.read(key, size, start - at, length)
            if data is None:
                whole.append(self._request(tar, at, size))
                self.cache.put(key, whole[0])
                data = _part(whole[0], at, start, length)
            return _whole(data, start, length)

        yield read

    def _request(self, tar: Tar, start: int, length: int) -> bytes:
        # Threads that begin with the same tar may each request it; a lock would make all wait.
        if tar.name not in self._sizes:
            self._sizes[tar.name] = self.store.size(tar.name)
        _check_size(self._sizes[tar.name], tar)
        return _whole(self.store.read(tar.name, start, length), start, length)

    def in_order(self, task: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        return list(_threads_of(os.getpid()).map(task, items))


def open_shards(folder: Path) -> ShardSource:
    """The shards that every stage reads: at DVDGAN_SHARDS where it is set, else in ``folder``.

    Raises UserError if ``folder`` holds other shards: they are the ones DVC compares.
    """
    machine = Machine.load()
    url = machine.stores.shards
    if url is None:
        return LocalShards(folder)
    cache = None
    if machine.stores.shard_cache is not None:
        cache = BoundedCache(machine.stores.shard_cache, machine.stores.shard_cache_bytes)
    stored, local = StoredShards(open_store(url), cache), folder / INDEX
    if local.is_file() and local.read_bytes() != read_index(stored):
        raise UserError(
            f"the shards at {stored.where()} are not those in {folder}",
            where=KEYS["stores.shards"].place,
            todo=f"copy all of {folder} there again, or remove the local folder",
        )
    return stored


def read_index(shards: ShardSource) -> bytes:
    """The bytes of index.json, which holds the sha256 of every shard. UserError: there is none."""
    return _read_all(shards, INDEX)


def read_samples(shards: ShardSource) -> bytes:
    """The bytes of samples.parquet. UserError: there is none."""
    return _read_all(shards, SAMPLES)


def splits_of(shards: ShardSource) -> list[str]:
    """The splits that hold videos, sorted."""
    index = parse_index(read_index(shards), shards.where(INDEX))
    return sorted({tar.split for tar in index.tars.values()})


def _read_all(shards: ShardSource, name: str) -> bytes:
    try:
        return shards.read_all(name)
    except FileNotFoundError as error:
        raise UserError(
            "the shards do not exist",
            where=shards.where(name),
            todo="run `dvdgan shard` first; "
            "stores.shards (DVDGAN_SHARDS) must contain all of its outputs",
        ) from error
    except ValueError as error:
        raise UserError(
            str(error), where=shards.where(name), todo="upload it again (`dvdgan shard --upload`)"
        ) from error


@cache
def _threads_of(process: int) -> ThreadPoolExecutor:
    """The threads that read from stores in this process: a fork has to start its own."""
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"shards-{process}")


def _check_size(found: int, tar: Tar) -> None:
    if found != tar.bytes:
        raise ValueError(f"{found} bytes, which differs from index.json")


def _part(member: bytes, at: int, start: int, length: int) -> bytes:
    return _whole(member[start - at : start - at + length], start, length)


def _whole(data: bytes, start: int, length: int) -> bytes:
    if len(data) != length:
        raise ValueError(f"the file ends before byte {start + length}")
    return data
