"""The files that the rows of a table name, and those that none does."""

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from dvdgan.data.listing import ListedFile, Listing
from dvdgan.data.refusal import Refusal, Refused
from dvdgan.data.table import Table, VideoRow
from dvdgan.errors import UserError


def table_of(
    rows: Sequence[VideoRow], listing: Listing, tables: Collection[str], where: str
) -> Table:
    """The table of ``rows``; all files that no row names are refused, but for ``tables``.

    A path is found in another Unicode form, too. Equal rows are one video. Raises UserError at
    ``where`` when rows contradict each other.
    """
    found: dict[tuple[object, ...], VideoRow] = {}
    for row in as_listed(rows, listing):
        first = found.setdefault((row.path, row.member, row.start, row.end), row)
        if first != row:
            raise UserError(
                f"two rows of the table for {row.path!r} differ: {_described(first)} and "
                f"{_described(row)}",
                where=where,
                todo="remove one of them, or give them different ranges of time",
            )
    again = len(rows) - len(found)
    notes = [f"duplicate rows of {where}, which are ignored: {again}"] if again else []
    videos = in_order(found.values())
    return Table(videos, unnamed(listing, {*(row.path for row in videos), *tables}), notes)


def as_listed(rows: Iterable[VideoRow], listing: Listing) -> Iterator[VideoRow]:
    """``rows`` with their paths in the Unicode form that the files have."""
    spelled = {_normal(path): path for path in listing.files}
    for row in rows:
        there = row.path in listing.files
        yield row if there else replace(row, path=spelled.get(_normal(row.path), row.path))


def in_order(rows: Iterable[VideoRow]) -> list[VideoRow]:
    """``rows`` in the order of a listing, and of time."""
    return sorted(rows, key=lambda row: (row.path.split("/"), row.start or 0))


def unnamed(listing: Listing, named: Collection[str]) -> list[Refused]:
    """Entries that cannot be read as files, and the files that are not in ``named``."""
    return [
        Refused(entry.path, Refusal.NOT_IN_THE_TABLE, "not in any table")
        if isinstance(entry, ListedFile)
        else entry
        for entry in listing.entries
        if isinstance(entry, Refused) or entry.path not in named
    ]


def _normal(path: str) -> str:
    return unicodedata.normalize("NFC", path)


def _described(row: VideoRow) -> str:
    parts = {"label": row.label, "split": row.split, "group": row.group}
    return ", ".join(f"{name} {value!r}" for name, value in parts.items() if value is not None)
