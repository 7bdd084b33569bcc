"""index.source -> the layout that reads index.root."""

from typing import TYPE_CHECKING

from dvdgan.data.listing import Listing
from dvdgan.data.raw_root import RawRoot
from dvdgan.data.raw_sources.bair import BAIR
from dvdgan.data.raw_sources.class_folders import CLASS_FOLDERS
from dvdgan.data.raw_sources.csv_table import CSV_TABLE
from dvdgan.data.raw_sources.hugging_face import HUGGING_FACE
from dvdgan.data.raw_sources.kinetics import KINETICS
from dvdgan.data.raw_sources.ucf101 import UCF101
from dvdgan.data.raw_sources.webdataset import WEBDATASET
from dvdgan.data.table import Table
from dvdgan.errors import UserError

if TYPE_CHECKING:
    from dvdgan.config.schema import Index

# The most particular first: almost any folder looks like the last ones.
SOURCES = {
    source.name: source
    for source in (BAIR, WEBDATASET, KINETICS, UCF101, HUGGING_FACE, CLASS_FOLDERS, CSV_TABLE)
}


def read_source(listing: Listing, root: RawRoot, section: "Index") -> Table:
    """The table of the data set below ``root``, in the layout index.source.

    Raises UserError if it has another layout; where that is known, the message names it.
    """
    source = SOURCES[section.source]
    # Class folders with a table of their videos are meant to be that.
    particular = source is not CLASS_FOLDERS or section.table is not None
    if particular and source.recognises(listing):
        return source.read(listing, root, section)
    likely = next((each for each in SOURCES.values() if each.recognises(listing)), source)
    if likely is not source:
        raise UserError(
            f"the layout does not look like {source.name} ({source.layout}), but like "
            f"{likely.name} ({likely.layout})",
            where=f"index.root = {root}",
            todo=f"set index.source: {likely.name}",
        )
    return source.read(listing, root, section)
