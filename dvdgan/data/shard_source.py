"""Where the bytes of a shard come from: a folder on a local disk, or a store, range by range."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from dvdgan.data.frame_pack import Read

if TYPE_CHECKING:
    from dvdgan.storage.store import Store

# Clips that a process asks a store for at a time: a request takes long, and costs it little.
AT_ONCE = 16

Item = TypeVar("Item")
Result = TypeVar("Result")


class ShardSource(Protocol):
    """Tars by name."""

    def where(self, name: str) -> str:
        """The place of tar ``name``, for messages."""

    def open(self, name: str, size: int) -> AbstractContextManager[Read]:
        """Give what reads tar ``name``; OSError or ValueError unless it is there, ``size`` long."""

    def in_order(self, task: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """``task`` of each of ``items``, which each read a little from here."""


class LocalShards:
    """Tars in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def where(self, name: str) -> str:
        return str(self.folder / name)

    @contextmanager
    def open(self, name: str, size: int) -> Iterator[Read]:
        file = os.open(self.folder / name, os.O_RDONLY)

        def read(start: int, length: int) -> bytes:
            return _whole(os.pread(file, length, start), start, length)

        try:
            _check_size(os.fstat(file).st_size, size)
            yield read
        finally:
            os.close(file)

    def in_order(self, task: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        return [task(item) for item in items]


class StoredShards:
    """Tars in a store: one request for each read, and at first one for the size of a tar."""

    def __init__(self, store: "Store") -> None:
        self.store = store
        self._sizes: dict[str, int] = {}

    def where(self, name: str) -> str:
        return f"{self.store}/{name}"

    @contextmanager
    def open(self, name: str, size: int) -> Iterator[Read]:
        def read(start: int, length: int) -> bytes:
            return _whole(self.store.read(name, start, length), start, length)

        # Threads that begin with the same tar may each ask; a lock would make all of them wait.
        if name not in self._sizes:
            self._sizes[name] = self.store.size(name)
        _check_size(self._sizes[name], size)
        yield read

    def in_order(self, task: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        return list(_threads_of(os.getpid()).map(task, items))


@cache
def _threads_of(process: int) -> ThreadPoolExecutor:
    """The threads that read from stores in this process: a fork has to start its own."""
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"shards-{process}")


def _check_size(found: int, indexed: int) -> None:
    if found != indexed:
        raise ValueError(f"{found} bytes, not those of index.json")


def _whole(data: bytes, start: int, length: int) -> bytes:
    if len(data) != length:
        raise ValueError(f"the file ends before byte {start + length}")
    return data
