"""One folder of videos per class; a table may add splits and groups."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from dvdgan.data.listing import Listing
from dvdgan.data.raw_root import RawRoot, read_text
from dvdgan.data.raw_sources.named_files import as_listed
from dvdgan.data.raw_sources.raw_source import RawSource
from dvdgan.data.refusal import Refusal, Refused
from dvdgan.data.table import SPLITS, Table, VideoRow, read_general_table
from dvdgan.errors import UserError

if TYPE_CHECKING:
    from dvdgan.config.schema import Index


def recognises(listing: Listing) -> bool:
    """Whether folders hold files, and are not named like splits."""
    folders = {path.partition("/")[0] for path in listing.files if "/" in path}
    splits = [name for name in folders if name.lower() in SPLITS]
    return bool(folders) and len(splits) < max(2, len(folders))


def read(listing: Listing, root: RawRoot, section: "Index") -> Table:
    """A row for each file of each class folder."""
    entries = [
        entry for entry in class_entries(listing, section.nested) if entry.path != section.table
    ]
    rows = [entry for entry in entries if isinstance(entry, VideoRow)]
    refused = [entry for entry in entries if isinstance(entry, Refused)]
    if rows and not recognises(listing):
        raise UserError(
            f"the folders {', '.join(sorted({row.label for row in rows}))} are named like splits, "
            "not like classes",
            where=f"index.root = {root}",
            todo="set index.source to the layout of this data set (docs/sources.md)",
        )
    if section.table is not None:
        where = f"{root}/{section.table}"
        columns = section.columns.model_dump()
        known = read_general_table(read_text(root, section.table), where, columns, needed=["path"])
        rows = _joined(rows, list(as_listed(known, listing)), where)
    return Table(rows, refused)


def class_entries(listing: Listing, nested: bool) -> Iterator[VideoRow | Refused]:
    """The files of class folders, in order; ``nested``: those of folders in them, too."""
    for entry in listing.entries:
        depth = entry.path.count("/")
        if isinstance(entry, Refused):
            yield entry
        elif depth == 0:
            detail = "is next to the class folders, not inside one"
            yield Refused(entry.path, Refusal.NOT_IN_A_CLASS_FOLDER, detail)
        elif depth > 1 and not nested:
            detail = "is in a subfolder of a class folder; set index.nested: true to accept it"
            yield Refused(entry.path, Refusal.NESTED, detail)
        else:
            yield VideoRow(entry.path, entry.path.partition("/")[0])


def _joined(rows: list[VideoRow], known: list[VideoRow], where: str) -> list[VideoRow]:
    """``rows`` with the split and group that a table gives; its further rows are missing videos."""
    extra = {row.path: row for row in known}
    if len(extra) < len(known):
        raise UserError("two rows of the table have the same path", where=where)
    if any(row.start is not None or row.end is not None for row in known):
        raise UserError(
            "the table has time ranges, but class folders hold whole videos",
            where=where,
            todo="set index.source: csv, which reads time ranges",
        )
    absent = [row.path for row in rows if row.path not in extra]
    if absent:
        more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
        raise UserError(
            f"{len(absent)} videos are not in the table: {', '.join(map(repr, absent[:5]))}{more}",
            where=where,
            todo="add a row for each, its path relative to index.root",
        )
    own = {row.path for row in rows}
    return [
        replace(row, split=extra[row.path].split, group=extra[row.path].group) for row in rows
    ] + [replace(row, label=row.path.partition("/")[0]) for row in known if row.path not in own]


CLASS_FOLDERS = RawSource(
    name="class_folders", layout="<class>/<video>", recognises=recognises, read=read
)
