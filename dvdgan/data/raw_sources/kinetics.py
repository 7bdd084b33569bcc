"""Kinetics-400, -600 and -700: the authors' CSVs, and clips named by YouTube id and time range."""

import re
from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from dvdgan.data.listing import Listing
from dvdgan.data.manifest import TEST
from dvdgan.data.raw_root import RawRoot, read_text
from dvdgan.data.raw_sources.named_files import in_order, unnamed
from dvdgan.data.raw_sources.raw_source import RawSource
from dvdgan.data.table import SPLITS, Record, Table, VideoRow, read_csv, split_named, time_range
from dvdgan.errors import UserError

if TYPE_CHECKING:
    from dvdgan.config.schema import Index

# train.csv, validate.csv, kinetics-600_test.csv, kinetics700.csv.
TABLE = re.compile(rf"(?:.*[-_])?({'|'.join(SPLITS)})\.csv|kinetics[^/]*\.csv", re.IGNORECASE)
# A clip, or a whole video: ids are 11 letters, digits, - and _.
CLIP = re.compile(r".+_\d{6,}_\d{6,}|(?=.*[a-z])(?=.*[A-Z])[\w-]{11}")
COLUMNS = ("youtube_id", "time_start", "time_end")

# What downloaders leave beside a video, with its name.
SIDECARS = {".csv", ".description", ".jpg", ".json", ".log", ".m4a", ".md", ".mp3", ".png"}
SIDECARS |= {".srt", ".txt", ".vtt", ".wav", ".webp"}


class Clip(NamedTuple):
    """A row of the CSVs."""

    id: str
    label: str
    split: str
    named: str
    """The split as it is written."""
    start: str
    end: str
    where: str


def recognises(listing: Listing) -> bool:
    """Whether CSVs named like splits lie beside folders named like splits, or beside clips."""
    names = [PurePosixPath(path) for path in listing.files]
    clips = [CLIP.fullmatch(name.stem) for name in names if name.suffix.lower() not in SIDECARS]
    splits = [name for name in listing.top - listing.files.keys() if name.lower() in SPLITS]
    mostly = 2 * len(list(filter(None, clips))) > len(clips)
    return bool(_tables(listing)) and (bool(splits) or mostly)


def _tables(listing: Listing) -> list[str]:
    """CSVs in the root, or in a folder in it such as `annotations`."""
    return [
        path
        for path in listing.files
        if path.count("/") <= 1 and TABLE.fullmatch(PurePosixPath(path).name)
    ]


def read(listing: Listing, root: RawRoot, section: "Index") -> Table:
    """A row for each labelled row of the CSVs."""
    tables = _tables(listing)
    if not tables:
        raise UserError(
            "there is no train.csv, validate.csv or test.csv",
            where=f"index.root = {root}",
            todo="put the CSVs of Kinetics into index.root, or into a folder in it",
        )
    clips = [clip for path in tables for clip in _clips(path, root)]
    labelled = [clip for clip in clips if clip.label]
    # Of equal clips the first counts: held-out ones go first.
    labelled.sort(key=lambda clip: clip.split != TEST)
    files = _by_stem(listing)
    found: dict[tuple[object, ...], VideoRow] = {}
    for clip in labelled:
        row = _row(clip, files)
        found.setdefault((row.path, row.start, row.end), row)
    rows = in_order(found.values())
    notes = []
    if unlabelled := len(clips) - len(labelled):
        notes.append(f"rows of the CSVs without a label, whose videos are not used: {unlabelled}")
    if again := len(labelled) - len(found):
        notes.append(
            f"rows of the CSVs that name the clip of another row: {again}; a held-out one counts, "
            "else the first"
        )
    return Table(rows, unnamed(listing, {*(row.path for row in rows), *tables}), notes)


def _clips(path: str, root: RawRoot) -> list[Clip]:
    where = f"{root}/{path}"
    stem = TABLE.fullmatch(PurePosixPath(path).name)
    assert stem is not None
    needed = COLUMNS if stem[1] else (*COLUMNS, "split")
    records = read_csv(read_text(root, path), where, needed)
    return [_clip(record, stem[1] or "", where) for record in records]


def _clip(record: Record, split: str, where: str) -> Clip:
    line, values = record
    here = f"{where}, line {line}"
    if not values["youtube_id"]:
        raise UserError("the column youtube_id is empty", where=here)
    named = values.get("split", "") or split
    return Clip(
        values["youtube_id"],
        values.get("label", ""),
        split_named(named, here),
        named,
        values["time_start"],
        values["time_end"],
        here,
    )


def _by_stem(listing: Listing) -> dict[str, list[str]]:
    """Name without ending -> the files of that name, and what is there and cannot be read."""
    found = defaultdict(list)
    for entry in listing.entries:
        path = PurePosixPath(entry.path)
        if path.suffix.lower() not in SIDECARS:
            found[path.stem].append(entry.path)
    return found


def _row(clip: Clip, files: dict[str, list[str]]) -> VideoRow:
    start, end = time_range(clip.start, clip.end, clip.where)
    first, last = int(start or 0), int(end or 0)
    stem = f"{clip.id}_{first:06d}_{last:06d}"
    cut = files.get(stem) or files.get(f"{clip.id}_{first}_{last}")
    whole = files.get(clip.id)
    if cut or not whole:
        path = _best(cut, clip) if cut else f"{clip.named}/{clip.label}/{stem}.mp4"
        return VideoRow(path, clip.label, clip.split, group=clip.id)
    return VideoRow(_best(whole, clip), clip.label, clip.split, clip.id, start, end)


def _best(paths: list[str], clip: Clip) -> str:
    """Of several files with the name of a clip that in the folders of its split and label."""

    def fits(path: str) -> tuple[bool, bool, bool]:
        folders = [part.lower().replace(" ", "_") for part in path.split("/")[:-1]]
        splits = {SPLITS[folder] for folder in folders if folder in SPLITS}
        label = clip.label.lower().replace(" ", "_")
        return clip.split in splits, not splits, label in folders

    return max(paths, key=fits)


KINETICS = RawSource(
    name="kinetics",
    layout="train.csv, validate.csv, test.csv, and clips <id>_<start>_<end>.mp4 below train/ and "
    "the like",
    recognises=recognises,
    read=read,
)
