"""Any folder, and a CSV that names its videos."""

from typing import TYPE_CHECKING

from dvdgan.data.listing import Listing
from dvdgan.data.raw_root import RawRoot, read_text
from dvdgan.data.raw_sources.named_files import table_of
from dvdgan.data.raw_sources.raw_source import RawSource
from dvdgan.data.table import Table, read_general_table
from dvdgan.errors import UserError

if TYPE_CHECKING:
    from dvdgan.config.schema import Index


def recognises(listing: Listing) -> bool:
    """Whether there is a CSV."""
    return any(path.lower().endswith(".csv") for path in listing.files)


def read(listing: Listing, root: RawRoot, section: "Index") -> Table:
    """A row for each row of index.table; several ranges of one file are several videos."""
    name = section.table
    if name not in listing.files:
        raise UserError(
            _absent(name, listing),
            where=f"index.root = {root}",
            todo="set index.table to a CSV with the columns of index.columns, relative to "
            "index.root",
        )
    where = f"{root}/{name}"
    rows = read_general_table(read_text(root, name), where, section.columns.model_dump())
    if not rows:
        raise UserError("the table has no rows", where=where, todo="add a row for each video")
    return table_of(rows, listing, [name], where)


def _absent(name: str | None, listing: Listing) -> str:
    if name is None:
        return "index.table is not set"
    for entry in listing.refused:
        if entry.path == name:
            return f"the table {name!r} cannot be read: {entry.detail}"
    tables = [path for path in listing.files if path.lower().endswith(".csv")]
    there = f"; there: {', '.join(map(repr, tables[:5]))}" if tables else ""
    return f"there is no table {name!r}{there}"


CSV_TABLE = RawSource(
    name="csv",
    layout="any folder, and a CSV that lists its videos",
    recognises=recognises,
    read=read,
)
