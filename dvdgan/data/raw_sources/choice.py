"""index.source -> the layout that reads index.root."""

from typing import TYPE_CHECKING

from dvdgan.data.listing import Listing
from dvdgan.data.raw_root import RawRoot
from dvdgan.data.raw_sources.class_folders import CLASS_FOLDERS
from dvdgan.data.table import Table
from dvdgan.errors import UserError

if TYPE_CHECKING:
    from dvdgan.config.schema import Index

SOURCES = {source.name: source for source in (CLASS_FOLDERS,)}


def read_source(listing: Listing, root: RawRoot, section: "Index") -> Table:
    """The table of the data set below ``root``, in the layout index.source.

    Raises UserError where it has another layout; where that is known, the message names it.
    """
    source = SOURCES[section.source]
    if not source.recognises(listing):
        others = [each for each in SOURCES.values() if each.recognises(listing)]
        if others:
            raise UserError(
                f"this does not look like {source.name} ({source.layout}), but like "
                f"{others[0].name} ({others[0].layout})",
                where=f"index.root = {root}",
                todo=f"set index.source: {others[0].name}",
            )
    return source.read(listing, root, section)
