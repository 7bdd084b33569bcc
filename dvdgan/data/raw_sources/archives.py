"""Reads the tables of archives of videos: of many at once, since stores answer slowly."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from dvdgan.data.listing import ListedFile
from dvdgan.data.refusal import Refusal, Refused
from dvdgan.data.table import Table
from dvdgan.progress import track

# Requests at once; a header is a request of its own.
THREADS = 16


def read_archives(archives: Sequence[ListedFile], read: Callable[[ListedFile], Table]) -> Table:
    """The tables of ``archives``, joined in their order.

    One that cannot be read is refused. Raises StoreUnavailableError.
    """

    def table_of(archive: ListedFile) -> Table:
        try:
            return read(archive)
        except OSError as error:
            reason = error.strerror or str(error)
            return Table([], [Refused(archive.path, Refusal.UNREADABLE, reason)])

    joined = Table([])
    with ThreadPoolExecutor(THREADS) as pool:
        tables = pool.map(table_of, archives)
        for table in track(tables, "read tables of archives", len(archives), "files"):
            joined.rows.extend(table.rows)
            joined.refused.extend(table.refused)
    return joined
