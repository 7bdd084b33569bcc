"""Kinetics-400, -600 and -700: the authors' CSVs, and clips named by YouTube id and time range."""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from posixpath import basename, splitext
from typing import TYPE_CHECKING

from dvdgan.data.listing import Listing
from dvdgan.data.manifest import TEST
from dvdgan.data.raw_root import RawRoot, read_text
from dvdgan.data.raw_sources.named_files import in_order, unnamed
from dvdgan.data.raw_sources.raw_source import RawSource
from dvdgan.data.table import SPLITS, Table, VideoRow, read_csv, split_named, time_range
from dvdgan.errors import UserError

if TYPE_CHECKING:
    from dvdgan.config.schema import Index

# train.csv, validate.csv, kinetics-600_test.csv, kinetics700.csv.
TABLE = re.compile(rf"(?:.*[-_])?({'|'.join(SPLITS)})\.csv|kinetics[-_\d]*\.csv", re.IGNORECASE)
# A clip, or a whole video: ids are 11 letters, digits, - and _.
CLIP = re.compile(r".+_\d{6,}_\d{6,}|(?=.*[a-z])(?=.*[A-Z])[\w-]{11}")
COLUMNS = ("youtube_id", "time_start", "time_end")

# Files that downloaders leave next to a video, with its name.
SIDECARS = {".csv", ".description", ".jpg", ".json", ".log", ".m4a", ".md", ".mp3", ".png"}
SIDECARS |= {".srt", ".txt", ".vtt", ".wav", ".webp"}


def recognises(listing: Listing) -> bool:
    """Whether there are CSVs named like splits, and folders named like splits or clips."""
    if not _tables(listing):
        return False
    if any(name.lower() in SPLITS for name in listing.top - listing.files.keys()):
        return True
    names = [splitext(basename(path)) for path in listing.files]
    clips = [CLIP.fullmatch(stem) for stem, ending in names if ending.lower() not in SIDECARS]
    return 2 * len(list(filter(None, clips))) > len(clips)


def _tables(listing: Listing) -> list[str]:
    """CSVs in the root, or in a folder in it such as `annotations`."""
    return [
        path for path in listing.files if path.count("/") <= 1 and TABLE.fullmatch(basename(path))
    ]


def read(listing: Listing, root: RawRoot, section: "Index") -> Table:
    """A row for each labelled row of the CSVs."""
    tables = _tables(listing)
    if not tables:
        raise UserError(
            "train.csv, validate.csv and test.csv are missing",
            where=f"index.root = {root}",
            todo="put the CSVs of Kinetics into index.root, or into a folder in it",
        )
    files = _by_stem(listing)
    clips = [clip for path in tables for clip in _clips(path, root, files)]
    labelled = [clip for clip in clips if clip is not None]
    found: dict[tuple[object, ...], VideoRow] = {}
    # Of equal clips the first counts: held-out ones go first.
    for clip in sorted(labelled, key=lambda clip: clip.split != TEST):
        found.setdefault((clip.path, clip.start, clip.end), clip)
    rows = in_order(found.values())
    notes = []
    if unlabelled := len(clips) - len(labelled):
        notes.append(f"rows of the CSVs without a label, which are not used: {unlabelled}")
    if again := len(labelled) - len(found):
        notes.append(
            f"rows of the CSVs with the same clip as another row: {again}; a held-out row is "
            "used, otherwise the first"
        )
    return Table(rows, unnamed(listing, {*(row.path for row in rows), *tables}), notes)


def _by_stem(listing: Listing) -> dict[str, list[str]]:
    """Name without ending -> the files of that name, and what is there and cannot be read."""
    found = defaultdict(list)
    for entry in listing.entries:
        stem, ending = splitext(basename(entry.path))
        if ending.lower() not in SIDECARS:
            found[stem].append(entry.path)
    return found


def _clips(path: str, root: RawRoot, files: dict[str, list[str]]) -> Iterator[VideoRow | None]:
    """A row for each row of a CSV; None for those without a label."""
    where = f"{root}/{path}"
    match = TABLE.fullmatch(basename(path))
    assert match is not None
    split = match[1] or ""
    needed = COLUMNS if split else (*COLUMNS, "split")
    for line, values in read_csv(read_text(root, path), where, needed):
        label = values.get("label", "")
        yield _clip(values, label, split, f"{where}, line {line}", files) if label else None


def _clip(
    values: dict[str, str], label: str, split: str, where: str, files: dict[str, list[str]]
) -> VideoRow:
    """``split``: that of the CSV's name, where the row has none."""
    video = values["youtube_id"]
    if not video:
        raise UserError("the column youtube_id is empty", where=where)
    word = values.get("split", "") or split
    split = split_named(word, where)
    start, end = time_range(values["time_start"], values["time_end"], where)
    first, last = int(start or 0), int(end or 0)
    stem = f"{video}_{first:06d}_{last:06d}"
    cut = files.get(stem) or files.get(f"{video}_{first}_{last}")
    whole = files.get(video)
    label = sys.intern(label)  # one string for all rows of a class
    if whole and not cut:
        return VideoRow(_best(whole, label, split), label, split, video, start, end)
    path = _best(cut, label, split) if cut else f"{word}/{label}/{stem}.mp4"
    return VideoRow(path, label, split, video)


def _best(paths: list[str], label: str, split: str) -> str:
    """Of several files with the name of a clip that in the folders of its split and label.

    CVDF's folder `replacement` holds clips that are damaged in its other folders.
    """

    def fits(path: str) -> tuple[bool, bool, bool, bool]:
        folders = [part.lower().replace(" ", "_") for part in path.split("/")[:-1]]
        splits = {SPLITS[folder] for folder in folders if folder in SPLITS}
        mended = folders[:1] == ["replacement"]
        return mended, split in splits, not splits, label.lower().replace(" ", "_") in folders

    return max(paths, key=fits) if len(paths) > 1 else paths[0]


KINETICS = RawSource(
    name="kinetics",
    layout="train.csv, validate.csv, test.csv, and clips <id>_<start>_<end>.mp4 below train/ and "
    "the like",
    recognises=recognises,
    read=read,
)
