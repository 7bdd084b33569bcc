"""A file that is read by ranges, as a seekable binary file."""

import io
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO

BLOCK_BYTES = 8 << 20
# A reader keeps so many blocks: a file of up to 32 MiB is requested once, however it is read.
KEPT_BLOCKS = 4

Fetch = Callable[[int, int], bytes]
"""First byte and length -> exactly those bytes."""


class RangeReader(io.RawIOBase):
    """Reads in blocks, of which it keeps the KEPT_BLOCKS used last: 32 MiB of BLOCK_BYTES."""

    def __init__(
        self,
        name: str,
        size: int,
        fetch: Fetch,
        first: bytes | None = None,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        """``first``: the first block, or all of a smaller file of ``size`` bytes, where known."""
        super().__init__()
        self.name = name
        self._size, self._fetch, self._at = size, fetch, 0
        self._block_bytes = block_bytes
        self._blocks = OrderedDict({} if first is None else {0: first})

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"{self.name} has no byte {base + offset}")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        target = memoryview(buffer).cast("B")
        if self._at >= self._size:
            return 0
        number, inside = divmod(self._at, self._block_bytes)
        data = memoryview(self._block(number))[inside : inside + len(target)]
        target[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            start = number * self._block_bytes
            if len(self._blocks) >= KEPT_BLOCKS:  # first, since it would be one too many
                self._blocks.popitem(last=False)
            self._blocks[number] = self._fetch(start, min(self._block_bytes, self._size - start))
        self._blocks.move_to_end(number)
        return self._blocks[number]


def buffered(reader: RangeReader) -> BinaryIO:
    """``reader`` as an ordinary binary file."""
    return io.BufferedReader(reader)
