"""The one general table of a data set: which videos there are, their labels, splits and groups."""

import csv
import io
import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
    at ``path``; None: the file is the video.
    """

    path: str
    label: str
    split: str | None = None
    group: str | None = None
    start: float | None = None
    end: float | None = None
    member: str | None = None


@dataclass(frozen=True)
class Table:
    """What a source found: its videos, in order, and files that are none of them."""

    rows: list[VideoRow]
    refused: list[Refused] = field(default_factory=list)


def split_named(name: str, where: str) -> str:
    """TRAIN or TEST for a name such as `val`. Raises UserError at ``where`` for another word."""
    split = SPLITS.get(name.strip().lower())
    if split is None:
        raise UserError(
            f"{name!r} is not the name of a split", where=where, todo=f"use {', '.join(SPLITS)}"
        )
    return split


def read_csv(text: str, where: str, needed: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV with a header.

    Raises UserError at ``where`` when a column of ``needed`` is not there.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\N{BYTE ORDER MARK}"), newline=""))
    try:
        columns = list(reader.fieldnames or [])
        missing = [name for name in needed if name not in columns]
        if missing:
            raise UserError(
                f"the table has no column {' and no column '.join(missing)}",
                where=f"{where}; its columns: {', '.join(columns) or 'none'}",
                todo="name its columns in index.columns, or add them",
            )
        rows = []
        for row in reader:
            if None in row or None in row.values():
                raise UserError(
                    f"line {reader.line_num} does not have {len(columns)} values", where=where
                )
            rows.append(row)
    except csv.Error as error:
        raise UserError(
            f"the table cannot be read: {error}", where=f"{where}, line {reader.line_num}"
        ) from error
    return rows


def read_general_table(
    text: str, where: str, columns: Mapping[str, str], needed: Sequence[str] = ("path", "label")
) -> list[VideoRow]:
    """The rows of a CSV with the columns of `COLUMNS`, of which those in ``needed`` must be there.

    ``columns`` gives the name of each in the file. An empty value is none. Raises UserError.
    """
    rows = []
    for number, values in enumerate(
        read_csv(text, where, [columns[name] for name in needed]), start=1
    ):
        here = f"{where}, row {number}"
        row = {name: values.get(columns[name], "") for name in COLUMNS}
        for name in needed:
            if not row[name]:
                raise UserError(f"the column {columns[name]} is empty", where=here)
        start, end = (seconds(row[name], here) for name in ("start", "end"))
        if start is not None and end is not None and end <= start:
            raise UserError(f"the range ends at {end:g} s, and starts at {start:g} s", where=here)
        rows.append(
            VideoRow(
                row["path"],
                row["label"],
                split_named(row["split"], here) if row["split"] else None,
                row["group"] or None,
                start,
                end,
            )
        )
    return rows


def seconds(text: str, where: str) -> float | None:
    """A time of a table; None where the field is empty. Raises UserError where it is no time."""
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
    """Raise UserError where two classes differ in case or in Unicode's spelling alone."""
    twins = defaultdict(list)
    for label in sorted(labels):
        twins[unicodedata.normalize("NFC", label).casefold()].append(label)
    for names in twins.values():
        if len(names) > 1:
            raise UserError(
                f"the classes {', '.join(map(ascii, names))} are one name, written differently",
                where=where,
                todo="give them one name, or names that differ",
            )
