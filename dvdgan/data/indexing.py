"""Scan, probe, group and split: what becomes of every file below the root."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dvdgan.data.inspection import (
    Accepted,
    Limits,
    append_outcomes,
    inspect_all,
    read_outcomes,
)
from dvdgan.data.manifest import TEST, TRAIN, Manifest, commonest
from dvdgan.data.refusal import STRUCTURAL, Refusal, Refused
from dvdgan.data.scan import refuse_pictures, scan
from dvdgan.data.splits import held_out_groups, read_groups, unite
from dvdgan.errors import UserError

if TYPE_CHECKING:
    from dvdgan.config.schema import Index


def build_manifest(section: "Index", limits: Limits, workers: int, kept: Path) -> Manifest:
    """Scan, probe, group and split; see the UserErrors of scan, read_groups and refuse_pictures.

    ``kept`` is the file of outcomes that earlier runs with the same root and limits left: a
    file with an outcome there is not probed again, new outcomes are appended.
    """
    root = Path(section.root)
    below = scan(root, where=f"index.root = {root}")
    folders = [each.path for each in below.refused if each.reason is Refusal.IS_A_DIRECTORY]
    refuse_pictures(root, map(Path, (*(each.path for each in below.videos), *folders)))
    known = read_outcomes(kept)
    unknown = [video for video in below.videos if video not in known]
    with append_outcomes(kept) as append:
        for video, outcome in inspect_all(unknown, root, limits, section.timeout_s, workers):
            append(video, outcome)
            known[video] = outcome
    outcomes = [known[video] for video in below.videos]
    accepted = [outcome for outcome in outcomes if isinstance(outcome, Accepted)]
    refused = below.refused + [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    refused.sort(key=lambda row: row.path)
    return Manifest(_rows(accepted, section), refused, len(unknown), below.ignored)


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
    top = ", ".join(f"{reason.value} ({count})" for reason, count in commonest(reasons)[:3])
    if not manifest.videos:
        raise UserError(
            f"none of {files} files is an acceptable video" + (f": {top}" if files else ""),
            where=str(table),
            todo="read the table; index.root must hold one folder of videos per class",
        )
    if refused > max_refused * files:
        allowed = int(max_refused * files) or "none"
        raise UserError(
            f"{refused} of {files} files are refused, index.max_refused = {max_refused:g} allows "
            f"{allowed}: {top}",
            where=str(table),
            todo="mend or remove those files, or raise index.max_refused",
        )
