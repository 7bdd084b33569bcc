"""BAIR robot pushing as it is published: TFRecords, of which each record is a video.

`softmotion30_44k/{train,test}/traj_*_to_*.tfrecords`, 43,264 videos of 30 frames to train and 256
to test (Ebert et al. 2017); see data/robot_record.py.
"""

import re
from typing import TYPE_CHECKING

from dvdgan.data.listing import ListedFile, Listing
from dvdgan.data.raw_root import RawRoot
from dvdgan.data.raw_sources.archives import read_archives
from dvdgan.data.raw_sources.raw_source import RawSource
from dvdgan.data.refusal import Refusal, Refused
from dvdgan.data.table import Table, VideoRow, split_named
from dvdgan.data.tfrecord import record_spans
from dvdgan.errors import UserError

if TYPE_CHECKING:
    from dvdgan.config.schema import Index

# The data set has no classes.
LABEL = "robot_pushing"
FILES = re.compile(r"(?:.*/)?([^/]+)/traj_\d+_to_\d+\.tfrecords?")
LAYOUT = "{train,test}/traj_*_to_*.tfrecords"


def recognises(listing: Listing) -> bool:
    """Whether there are files with the names of its TFRecords."""
    return any(FILES.fullmatch(path) for path in listing.files)


def read(listing: Listing, root: RawRoot, section: "Index") -> Table:
    """A row for each record. Reads the length of each, 12 bytes, and none of its data."""
    if not recognises(listing):
        raise UserError(
            f"there is no {LAYOUT}",
            where=f"index.root = {root}",
            todo="unpack bair_robot_pushing_dataset_v0.tar there",
        )

    def table_of(file: ListedFile) -> Table:
        match = FILES.fullmatch(file.path)
        if match is None:
            detail = f"is not in the layout {LAYOUT}"
            return Table([], [Refused(file.path, Refusal.NOT_IN_THE_TABLE, detail)])
        split = split_named(match[1], f"{root}/{file.path}")
        spans, problem = record_spans(
            lambda start, length: root.read(file.path, start, length), file.size
        )
        rows = [
            VideoRow(file.path, LABEL, split, member=str(number), offset=offset, length=length)
            for number, (offset, length) in enumerate(spans)
        ]
        damage = [Refused(file.path, Refusal.DAMAGED, problem)] if problem else []
        return Table(rows, damage)

    found = read_archives(list(listing.files.values()), table_of)
    return Table(found.rows, listing.refused + found.refused)


BAIR = RawSource(name="bair", layout=LAYOUT, recognises=recognises, read=read)
