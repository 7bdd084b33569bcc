"""UCF-101: class folders, and the authors' lists of which videos train and test."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath
from posixpath import basename
from typing import TYPE_CHECKING

from dvdgan.data.listing import Listing
from dvdgan.data.manifest import TEST, TRAIN
from dvdgan.data.raw_root import RawRoot, read_text
from dvdgan.data.raw_sources.named_files import table_of
from dvdgan.data.raw_sources.raw_source import RawSource
from dvdgan.data.table import Table, VideoRow
from dvdgan.errors import UserError

if TYPE_CHECKING:
    from dvdgan.config.schema import Index

LIST = re.compile(r"(train|test)list0[123]\.txt")
# <class>/v_<class>_g<group>_c<clip>; the class is not always written alike in both places.
VIDEO = re.compile(r"(?P<class>[^/]+)/v_[^/]+_(?P<group>g\d+)_c\d+")


def recognises(listing: Listing) -> bool:
    """Whether there are train or test lists."""
    return any(LIST.fullmatch(basename(path)) for path in listing.files)


def read(listing: Listing, root: RawRoot, section: "Index") -> Table:
    """A row for each line of the lists with the number index.split_list."""
    lists = {
        split: _found(f"{word}list0{section.split_list}.txt", listing, root)
        for split, word in ((TRAIN, "train"), (TEST, "test"))
    }
    classes = _classes(listing, root)
    files = _by_class_and_stem(listing)
    rows = [
        row
        for split, path in lists.items()
        for row in _rows(read_text(root, path), f"{root}/{path}", split, classes, files)
    ]
    others = [path for path in listing.files if _is_list(path)]
    where = f"{root}/{lists[TRAIN]} and {basename(lists[TEST])}"
    return table_of(rows, listing, others, where)


def _is_list(path: str) -> bool:
    name = basename(path)
    return name == "classInd.txt" or LIST.fullmatch(name) is not None


def _found(name: str, listing: Listing, root: RawRoot) -> str:
    for path in listing.files:
        if basename(path) == name:
            return path
    raise UserError(
        f"{name} is missing",
        where=f"index.root = {root}",
        todo="unpack the archive of train and test lists into index.root, as ucfTrainTestlist",
    )


def _classes(listing: Listing, root: RawRoot) -> dict[str, str] | None:
    """Class -> number in classInd.txt; None if there is no such file."""
    for path in listing.files:
        if basename(path) == "classInd.txt":
            lines = [line.split() for line in read_text(root, path).splitlines() if line.strip()]
            if any(len(line) != 2 for line in lines):
                raise UserError(
                    "a line is not a number and a class",
                    where=f"{root}/{path}",
                    todo="unpack the archive of train and test lists again",
                )
            return {name: number for number, name in lines}
    return None


def _by_class_and_stem(listing: Listing) -> dict[str, list[str]]:
    """<class>/<video without ending> -> the files of that name."""
    found = defaultdict(list)
    for entry in listing.entries:
        path = PurePosixPath(entry.path)
        found[f"{path.parent.name}/{path.stem}"].append(entry.path)
    return found


def _rows(
    text: str, where: str, split: str, classes: dict[str, str] | None, files: dict[str, list[str]]
) -> Iterator[VideoRow]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, _, label = line.strip().partition(" ")
        match = VIDEO.fullmatch(name.rpartition(".")[0])
        if match is None:
            raise UserError(
                f"{line!r} is not <class>/v_<class>_g<group>_c<clip>.avi",
                where=f"{where}, line {number}",
                todo="unpack the archive of train and test lists again",
            )
        own = match["class"]
        if classes is not None and (own not in classes or label not in ("", classes[own])):
            raise UserError(
                f"{line!r} contradicts classInd.txt: {own} is number {classes.get(own, 'none')}",
                where=f"{where}, line {number}",
                todo="unpack the archive of train and test lists again",
            )
        path = files.get(match[0], [name])[0]
        yield VideoRow(path, own, split, group=f"{own} {match['group']}")


UCF101 = RawSource(
    name="ucf101",
    layout="UCF-101/<class>/<video>.avi and ucfTrainTestlist/trainlist01.txt and the like",
    recognises=recognises,
    read=read,
)
