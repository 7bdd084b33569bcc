"""A bound on what a decoder may allocate, whatever a damaged header asks for."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DATA_PAGES = 5  # the field of /proc/self/statm


@contextmanager
def memory_limit(count: int) -> Iterator[None]:
    """In the block, this process can allocate at most ``count`` bytes more than it has now.

    What asks for more gets MemoryError in Python, and ENOMEM in C.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[_DATA_PAGES])
    limit = pages * resource.getpagesize() + count
    stricter = [each for each in (soft, hard) if each != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([limit, *stricter]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
