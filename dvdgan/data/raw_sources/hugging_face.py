"""Folders as Hugging Face's `datasets` reads them: for each split class folders, or a table."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from dvdgan.data.listing import Listing
from dvdgan.data.raw_root import RawRoot, read_text
from dvdgan.data.raw_sources.class_folders import class_entries
from dvdgan.data.raw_sources.named_files import in_order, table_of
from dvdgan.data.raw_sources.raw_source import RawSource
from dvdgan.data.refusal import Refusal, Refused
from dvdgan.data.table import SPLITS, Table, VideoRow, read_general_table, split_named
from dvdgan.errors import UserError

if TYPE_CHECKING:
    from dvdgan.config.schema import Index

TABLES = frozenset({"metadata.csv", "metadata.jsonl"})
UNREAD = "metadata.parquet"


def recognises(listing: Listing) -> bool:
    """Whether folders named like splits hold class folders, or there is a metadata file."""
    if any(_metadata_folder(path) is not None for path in listing.files):
        return True
    folders = {path.split("/")[0] for path in listing.files if "/" in path}
    deep = {path.split("/")[0] for path in listing.files if path.count("/") >= 2}
    splits = {name for name in deep if name.lower() in SPLITS}
    return len(splits) >= 2 or (bool(splits) and splits == folders)


def read(listing: Listing, root: RawRoot, section: "Index") -> Table:
    """A row for each row of the metadata files, and for each file of the other class folders."""
    tables = {path: folder for path in listing.files if (folder := _metadata_folder(path))}
    rows = [row for path in tables for row in _named(path, root, section)]
    named = table_of(rows, listing, tables, f"{root}/{', '.join(tables)}")
    if "." in tables.values():
        return named
    entries = list(_entries(listing, set(tables.values()), str(root), section.nested))
    rows = [entry for entry in entries if isinstance(entry, VideoRow)]
    refused = [entry for entry in entries if isinstance(entry, Refused)]
    refused += [each for each in named.refused if each.path.split("/")[0] in tables.values()]
    if not (rows or named.rows):
        raise UserError(
            "no split folder contains class folders or a metadata file",
            where=f"index.root = {root}",
            todo="put videos into <split>/<class>/, or write <split>/metadata.csv with the columns "
            f"file_name and {section.columns.label}",
        )
    return Table(in_order(named.rows + rows), refused, named.notes)


def _metadata_folder(path: str) -> str | None:
    """The folder of a metadata file of the root (`.`) or of a split; None: any other folder."""
    *folders, name = path.split("/")
    if name not in (*TABLES, UNREAD) or len(folders) > 1:
        return None
    return next((folder if folder.lower() in SPLITS else None for folder in folders), ".")


def _named(path: str, root: RawRoot, section: "Index") -> Iterator[VideoRow]:
    """The videos of a metadata file; their folders may name split and class."""
    where = f"{root}/{path}"
    if path.endswith(UNREAD):
        raise UserError(
            "metadata in Parquet is not supported",
            where=where,
            todo="write them as metadata.csv: pandas.read_parquet(...).to_csv(..., index=False)",
        )
    columns = {**section.columns.model_dump(), "path": "file_name"}
    folder = PurePosixPath(path).parent
    for row in read_general_table(read_text(root, path), where, columns, needed=["path"]):
        parts = (folder / row.path).parts
        split = SPLITS.get(parts[0].lower()) if len(parts) > 1 else None
        classes = parts[1:-1] if split else parts[:-1]
        if not (row.label or classes):
            raise UserError(
                f"{row.path!r} has no label and is not in a class folder",
                where=where,
                todo=f"add the column {columns['label']}",
            )
        yield replace(
            row,
            path="/".join(parts),
            label=row.label or classes[0],
            split=row.split or split,
        )


def _entries(
    listing: Listing, named: set[str], root: str, nested: bool
) -> Iterator[VideoRow | Refused]:
    """The files of the folders that have no metadata, as rows if they are in class folders."""
    inside: dict[str, Listing] = {}
    for entry in listing.entries:
        folder, _, rest = entry.path.partition("/")
        if isinstance(entry, Refused):
            if folder not in named:
                yield entry
        elif folder.lower() in SPLITS and rest:
            if folder not in named:
                own = inside.setdefault(folder, Listing([], Counter()))
                own.entries.append(replace(entry, path=rest))
        elif "/" in rest:
            split_named(folder, f"{root}/{folder}")
        elif folder not in named:
            detail = "is not in a folder named like a split"
            yield Refused(entry.path, Refusal.NOT_IN_A_CLASS_FOLDER, detail)
    for folder, files in inside.items():
        split = SPLITS[folder.lower()]
        for each in class_entries(files, nested):
            path = f"{folder}/{each.path}"
            if isinstance(each, Refused):
                yield replace(each, path=path)
            else:
                yield replace(each, path=path, split=split)


HUGGING_FACE = RawSource(
    name="hugging_face",
    layout="<split>/<class>/<video>, or <split>/metadata.csv",
    recognises=recognises,
    read=read,
)
