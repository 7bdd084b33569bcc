"""Groups of videos that belong together, and which of them are held out as the test split."""

import csv
import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

from dvdgan.errors import UserError


def read_groups(table: Path, column: str, paths: Sequence[str]) -> dict[str, str]:
    """Read path -> group from a CSV with the columns `file` and ``column``.

    Raises UserError where the table, a column or one of ``paths`` is missing.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or [])
            missing = [name for name in ("file", column) if name not in columns]
            if missing:
                raise UserError(
                    f"the table of groups has no column {' and no column '.join(missing)}",
                    where=f"index.groups = {table}; its columns: {', '.join(columns)}",
                    todo="set index.group_column to one of them, and name the videos in `file`",
                )
            groups = {row["file"]: row[column] for row in reader}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            "the table of groups cannot be read",
            where=f"index.groups = {table}: {error}",
            todo="set index.groups to a UTF-8 CSV file, or to null",
        ) from error
    absent = [path for path in paths if not groups.get(path)]
    if absent:
        more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
        raise UserError(
            f"{len(absent)} videos have no group: {', '.join(map(repr, absent[:5]))}{more}",
            where=f"index.groups = {table}",
            todo="add a row for each, `file` relative to index.root",
        )
    return {path: groups[path] for path in paths}


def unite(names: Sequence[str], digests: Sequence[str]) -> list[str]:
    """One group per video: those with equal names or equal bytes, and all they lead to, are one.

    A united group has the smallest of its names.
    """
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for name, digest in zip(names, digests, strict=True):
        # Ordering by ("group", name) < ("sha256", digest) makes a name the root of every set.
        low, high = sorted((root(("group", name)), root(("sha256", digest))))
        parent[high] = low
    return [root(("group", name))[1] for name in names]


def held_out_groups(
    labels: Sequence[int], groups: Sequence[str], fraction: float, seed: int
) -> set[str]:
    """The groups held out: per class, round(fraction x groups) of them, chosen by a hash.

    A group that spans classes is decided once, with the class of its smallest label. At least one
    of the groups decided with a class stays in train.
    """
    home: dict[str, int] = {}
    for label, group in zip(labels, groups, strict=True):
        home[group] = min(label, home.get(group, label))
    held_out: set[str] = set()
    for label in sorted(set(home.values())):
        members = [group for group, own in home.items() if own == label]
        members.sort(key=lambda group: _hash(seed, group))
        count = min(math.floor(fraction * len(members) + 0.5), len(members) - 1)
        held_out.update(members[:count])
    return held_out


def _hash(seed: int, group: str) -> str:
    return hashlib.sha256(f"{seed}\0{group}".encode()).hexdigest()
