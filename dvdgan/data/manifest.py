"""The manifest: a row per accepted video, a row per refused path, and their counts.

manifest.parquet, refused.csv and summary.json depend on the files and the params alone: not on
the number of workers, the machine's order of directory entries, or the time.
"""

import csv
import hashlib
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from dvdgan.data.inspection import Accepted, Limits, inspect_all
from dvdgan.data.outcomes import keeping, read_outcomes
from dvdgan.data.refusal import STRUCTURAL, Refused
from dvdgan.data.scan import scan
from dvdgan.data.splits import held_out_groups, read_groups, unite
from dvdgan.data.tables import write_rows
from dvdgan.errors import UserError
from dvdgan.storage.local import atomic_file, write_json

if TYPE_CHECKING:
    from dvdgan.config.schema import Index

TRAIN, TEST = "train", "test"

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("path", pa.string()),
        ("sha256", pa.string()),
        ("class", pa.string()),
        ("label", pa.int64()),
        ("split", pa.string()),
        ("frames", pa.int64()),
        ("fps", pa.float64()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("sample_aspect", pa.float64()),
        ("duration", pa.float64()),
        ("codec", pa.string()),
        ("group", pa.string()),
        ("duplicate_of", pa.string()),
    ]
)


@dataclass(frozen=True)
class Manifest:
    """Rows of manifest.parquet (columns of SCHEMA) and of refused.csv, both sorted by path.

    ``probed``: how many files had to be probed for it.
    """

    videos: list[dict[str, Any]]
    refused: list[Refused]
    probed: int


def build_manifest(section: "Index", limits: Limits, workers: int, kept: Path) -> Manifest:
    """Scan, probe, group and split; see the UserErrors of scan and read_groups.

    ``kept`` is the file of outcomes that earlier runs with the same root and limits left: what
    stands there is not probed again, what is new is added to it.
    """
    root = Path(section.root)
    candidates, refused = scan(root)
    known = read_outcomes(kept)
    unknown = [candidate for candidate in candidates if candidate not in known]
    with keeping(kept) as keep:
        for candidate, outcome in inspect_all(unknown, root, limits, section.timeout_s, workers):
            keep(candidate, outcome)
            known[candidate] = outcome
    outcomes = [known[candidate] for candidate in candidates]
    accepted = [outcome for outcome in outcomes if isinstance(outcome, Accepted)]
    refused = refused + [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    refused.sort(key=lambda row: row.path)
    return Manifest(_rows(accepted, section), refused, len(unknown))


def _rows(accepted: Sequence[Accepted], section: "Index") -> list[dict[str, Any]]:
    paths = [video.path for video in accepted]
    ids = [video_id(path) for path in paths]
    classes = sorted({video.label_name for video in accepted})
    labels = [classes.index(video.label_name) for video in accepted]
    named = (
        read_groups(Path(section.groups), section.group_column, paths)
        if section.groups is not None
        else dict(zip(paths, ids, strict=True))
    )
    digests = [video.sha256 for video in accepted]
    groups = unite([named[path] for path in paths], digests)
    held_out = held_out_groups(labels, groups, section.test_fraction, section.seed)
    first: dict[str, str] = {}
    rows = []
    for video, own, label, group in zip(accepted, ids, labels, groups, strict=True):
        original = first.setdefault(video.sha256, own)
        rows.append(
            {
                "id": own,
                "path": video.path,
                "sha256": video.sha256,
                "class": video.label_name,
                "label": label,
                "split": TEST if group in held_out else TRAIN,
                **asdict(video.facts),
                "group": group,
                "duplicate_of": None if original == own else original,
            }
        )
    return rows


def video_id(path: str) -> str:
    """16 hex digits for a path relative to the root."""
    return hashlib.sha256(path.encode()).hexdigest()[:16]


def check(manifest: Manifest, max_refused: float, table: Path) -> None:
    """Raise UserError where nothing was accepted or too large a share of the files was refused.

    ``table`` is where the reasons can be read.
    """
    reasons = Counter(row.reason for row in manifest.refused if row.reason not in STRUCTURAL)
    refused, files = reasons.total(), reasons.total() + len(manifest.videos)
    commonest = ", ".join(f"{reason.value} ({count})" for reason, count in _common(reasons)[:3])
    if not manifest.videos:
        raise UserError(
            f"none of {files} files is an acceptable video" + (f": {commonest}" if files else ""),
            where=str(table),
            todo="read the table; index.root must hold one folder of videos per class",
        )
    if refused > max_refused * files:
        raise UserError(
            f"{refused} of {files} files are refused ({refused / files:.0%}), more than "
            f"index.max_refused = {max_refused:.0%}: {commonest}",
            where=str(table),
            todo="mend or remove those files, or raise index.max_refused",
        )


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write manifest.parquet, refused.csv and summary.json into ``folder``."""
    write_rows(manifest.videos, SCHEMA, folder / "manifest.parquet")
    with (
        atomic_file(folder / "refused.csv") as aside,
        aside.open("w", encoding="utf-8", newline="") as file,
    ):
        # Everything quoted: names hold newlines and carriage returns.
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(["path", "reason", "detail"])
        writer.writerows([row.path, row.reason.value, row.detail] for row in manifest.refused)
    write_json(folder / "summary.json", summarise(manifest))


def read_manifest(file: Path) -> list[dict[str, Any]]:
    """The rows of manifest.parquet, keys as in SCHEMA."""
    rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    return rows


def summarise(manifest: Manifest) -> dict[str, Any]:
    """Counts per split, per class and split, and per reason; frames per video."""
    splits = Counter(row["split"] for row in manifest.videos)
    classes: dict[str, dict[str, int]] = {}
    for row in manifest.videos:
        classes.setdefault(row["class"], {TRAIN: 0, TEST: 0})[row["split"]] += 1
    lengths = [row["frames"] for row in manifest.videos]
    reasons = Counter(row.reason for row in manifest.refused)
    return {
        "videos": len(manifest.videos),
        "splits": {name: splits[name] for name in (TRAIN, TEST)},
        "classes": classes,
        "groups": len({row["group"] for row in manifest.videos}),
        "duplicates": sum(row["duplicate_of"] is not None for row in manifest.videos),
        "frames": {
            "min": min(lengths, default=0),
            "median": float(statistics.median(lengths)) if lengths else 0.0,
            "max": max(lengths, default=0),
        },
        "refused": {reason.value: count for reason, count in _common(reasons)},
    }


def _common(reasons: "Counter[Any]") -> list[tuple[Any, int]]:
    return sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
