"""The one general table of a data set: which videos there are, their labels, splits and groups."""

import csv
import io
import json
import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from dvdgan.data.manifest import TEST, TRAIN
from dvdgan.data.refusal import Refused
from dvdgan.errors import UserError

COLUMNS: Final = ("path", "label", "split", "group", "start", "end")

# Whatever is not for training is held out.
SPLITS: Final = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("test", "testing", "val", "valid", "validate", "validation", "dev"), TEST),
    **dict.fromkeys(("eval", "evaluation", "holdout"), TEST),
}


@dataclass(frozen=True, slots=True)
class VideoRow:
    """One video as its source describes it; it may be missing or damaged.

    ``path``: relative to the root. ``label``: name of the class. ``split``: TRAIN or TEST; None: a
    hash of the group decides. ``group``: videos of one group stay in one split; None: the video is
    its own. ``start``, ``end``: seconds from the file's first frame; None: from the first, to the
    last. ``member``: the name of a member of the tar, or the number of a record of the TFRecords,
    at ``path``, whose ``length`` bytes begin at byte ``offset``; None: the file is the video.
    """

    path: str
    label: str
    split: str | None = None
    group: str | None = None
    start: float | None = None
    end: float | None = None
    member: str | None = None
    offset: int | None = None
    length: int | None = None


@dataclass(frozen=True)
class Table:
    """The videos of a source, in order, and the files that are not videos.

    ``notes``: what else is to be known of it, a sentence each.
    """

    rows: list[VideoRow]
    refused: list[Refused] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def split_named(name: str, where: str) -> str:
    """TRAIN or TEST for a name such as `val`. Raises UserError at ``where`` for another word."""
    split = SPLITS.get(name.strip().lower())
    if split is None:
        raise UserError(
            f"{name!r} is not the name of a split", where=where, todo=f"use {', '.join(SPLITS)}"
        )
    return split


# The line of a table on which a row ends, and its value in each column.
Record = tuple[int, dict[str, str]]


def read_csv(text: str, where: str, needed: Sequence[str] = ()) -> list[Record]:
    """The rows of a CSV with a header.

    Raises UserError at ``where`` when a column of ``needed`` is not there.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\N{BYTE ORDER MARK}"), newline=""))
    try:
        columns = list(reader.fieldnames or [])
        _refuse_missing(needed, columns, where)
        rows = []
        for row in reader:
            if None in row or None in row.values():
                raise UserError(
                    f"line {reader.line_num} does not have {len(columns)} values", where=where
                )
            rows.append((reader.line_num, row))
    except csv.Error as error:
        raise UserError(
            f"the table cannot be read: {error}", where=f"{where}, line {reader.line_num}"
        ) from error
    return rows


def read_json_lines(text: str, where: str, needed: Sequence[str] = ()) -> list[Record]:
    """The rows of a table with a JSON object a line; null is empty, a number its digits.

    Raises UserError at ``where`` when a line is not an object, or has no key of ``needed``.
    """
    rows = []
    for line, part in enumerate(text.split("\n"), start=1):
        if not part.strip():
            continue
        try:
            row = json.loads(part)
        except (ValueError, RecursionError) as error:
            raise UserError(f"line {line} is not JSON: {error}", where=where) from error
        if not isinstance(row, dict):
            raise UserError(f"line {line} is not a JSON object", where=where)
        _refuse_missing(needed, list(row), f"{where}, line {line}")
        rows.append((line, {key: "" if row[key] is None else str(row[key]) for key in row}))
    return rows


def _refuse_missing(needed: Sequence[str], columns: Sequence[str], where: str) -> None:
    missing = [name for name in needed if name not in columns]
    if missing:
        raise UserError(
            f"the table has no column {' and no column '.join(missing)}",
            where=f"{where}; its columns: {', '.join(columns) or 'none'}",
            todo="add it, or set its name in index.columns; docs/sources.md lists the columns of "
            "each source",
        )


def read_general_table(
    text: str, where: str, columns: Mapping[str, str], needed: Sequence[str] = ("path", "label")
) -> list[VideoRow]:
    """The rows of a CSV, or of JSON lines where ``where`` ends with `.jsonl`; see `COLUMNS`.

    ``columns`` gives the name of each column in the file. Those in ``needed`` must be there and
    not empty. Columns with a name other than the default must also be there. Empty values count as
    missing. Raises UserError.
    """
    named = [columns[name] for name in COLUMNS if name in needed or columns[name] != name]
    read = read_json_lines if where.endswith(".jsonl") else read_csv
    rows = []
    for line, values in read(text, where, named):
        here = f"{where}, line {line}"
        row = {name: values.get(columns[name], "") for name in COLUMNS}
        for name in needed:
            if not row[name]:
                raise UserError(f"the column {columns[name]} is empty", where=here)
        start, end = time_range(row["start"], row["end"], here)
        rows.append(
            VideoRow(
                _below_root(row["path"], here),
                row["label"],
                split_named(row["split"], here) if row["split"] else None,
                row["group"] or None,
                start,
                end,
            )
        )
    return rows


def _below_root(path: str, where: str) -> str:
    """``path`` without `./` and `//`. Raises UserError if it points outside the root."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts:
        raise UserError(
            f"the path {path!r} points outside index.root",
            where=where,
            todo="write paths relative to index.root",
        )
    return "/".join(parts)


def time_range(start: str, end: str, where: str) -> tuple[float | None, float | None]:
    """Start and end of a table, in seconds. Raises UserError if they are not a time range."""
    first, last = seconds(start, where), seconds(end, where)
    if last is not None and last <= (first or 0):
        raise UserError(
            f"the range ends at {last:g} s, but starts at {first or 0:g} s", where=where
        )
    return first, last


def seconds(text: str, where: str) -> float | None:
    """A time of a table; None if the field is empty. Raises UserError if it is not a time."""
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise UserError(f"{text!r} is not a time in seconds", where=where)
    return value


def refuse_twins(labels: Iterable[str], where: str) -> None:
    """Raise UserError if two classes differ in case or in Unicode's spelling alone."""
    twins = defaultdict(list)
    for label in sorted(labels):
        twins[unicodedata.normalize("NFC", label).casefold().strip()].append(label)
    for names in twins.values():
        if len(names) > 1:
            raise UserError(
                f"the classes {', '.join(map(ascii, names))} are different spellings of one name",
                where=where,
                todo="use one spelling, or names that differ in more than case and Unicode form",
            )
