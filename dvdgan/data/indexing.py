"""Probes, groups and splits the videos of the raw data."""

import io
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dvdgan.data.inspection import (
    Accepted,
    Limits,
    Outcome,
    append_outcomes,
    inspect_all,
    read_outcomes,
)
from dvdgan.data.listing import Listing, refuse_pictures
from dvdgan.data.manifest import TEST, TRAIN, Manifest, commonest, read_manifest
from dvdgan.data.raw_root import RawRoot
from dvdgan.data.raw_sources.choice import read_source
from dvdgan.data.raw_video import RawVideo, video_of
from dvdgan.data.refusal import STRUCTURAL, Refusal, Refused
from dvdgan.data.splits import held_out_groups, unite
from dvdgan.data.table import Table, VideoRow, refuse_twins
from dvdgan.errors import UserError
from dvdgan.storage.reading import reading
from dvdgan.video.decode import VideoFacts

if TYPE_CHECKING:
    from dvdgan.config.schema import Index


class Candidate(NamedTuple):
    """A video that the table names and the listing holds."""

    row: VideoRow
    video: RawVideo


class Probing(NamedTuple):
    """How videos are probed, and where outcomes are kept."""

    limits: Limits
    workers: int
    outcomes: Path
    """A folder: a video with an outcome there is not probed again, new ones are appended. Machines
    that share it share the work."""
    before: Callable[[], Mapping[str, Accepted]] = dict
    """Gives id -> outcome of an earlier version of the video; called where there are new ones."""


def build_manifest(
    section: "Index", root: RawRoot, probing: Probing, part: tuple[int, int] = (1, 1)
) -> Manifest:
    """List, probe, group and split. Raises UserError if the raw data are not as stated.

    ``part`` (i, n): only each n-th video is probed, from the i-th on; the manifest then holds the
    videos with an outcome alone.
    """
    listing = root.list()
    refuse_pictures(str(root), listing)
    table = read_source(listing, root, section)
    refuse_twins({row.label for row in table.rows}, f"index.root = {root}")
    candidates, missing = find_videos(table, listing)
    known = read_outcomes(probing.outcomes)
    number, parts = part
    share = candidates[number - 1 :: parts]  # whatever the others have found already
    unknown = [each.video for each in share if each.video not in known]
    earlier = {key.id: each for key, each in known.items() if isinstance(each, Accepted)}
    before = {**probing.before(), **earlier} if unknown else {}
    file = probing.outcomes / f"{number}-of-{parts}.jsonl"
    recognised = 0
    with append_outcomes(file) as append:
        for video, outcome in inspect_all(
            unknown, root, probing.limits, section.timeout_s, probing.workers, before
        ):
            append(video, outcome)
            known[video] = outcome
            recognised += _is_same(outcome, before.get(video.id))
    outcomes = [(each.row, known[each.video]) for each in candidates if each.video in known]
    refused = [outcome for _, outcome in outcomes if isinstance(outcome, Refused)]
    refused = sorted(table.refused + missing + refused, key=lambda each: each.path)
    videos = _rows(outcomes, section)
    notes = table.notes + doubts(videos)
    probed = len(unknown) - recognised
    return Manifest(videos, refused, probed, recognised, listing.ignored, notes)


def accepted_before(manifest: bytes) -> dict[str, Accepted]:
    """id -> what was found of each video of a manifest.parquet."""
    names = [field.name for field in fields(VideoFacts)]
    rows = read_manifest(io.BytesIO(manifest))
    with reading("manifest.parquet", "a manifest of videos"):
        return {
            row["id"]: Accepted(
                video_of(row), row["sha256"], VideoFacts(**{name: row[name] for name in names})
            )
            for row in rows
        }


def find_videos(table: Table, listing: Listing) -> tuple[list[Candidate], list[Refused]]:
    """The rows of ``table`` whose files are there, and those whose files are missing."""
    candidates, missing = [], []
    reasons = {each.path for each in listing.refused}
    for row in table.rows:
        file = listing.files.get(row.path)
        if file is not None:
            own = (file.path, file.size, file.mtime_ns, file.etag)
            candidates.append(Candidate(row, RawVideo(*own, **_part(row), length=row.length)))
        elif row.path not in reasons:  # which are given already
            missing.append(Refused(row.path, Refusal.MISSING, "in a table, but missing"))
    return candidates, missing


def _is_same(outcome: Outcome, before: Accepted | None) -> bool:
    return before is not None and isinstance(outcome, Accepted) and outcome.sha256 == before.sha256


def _part(row: VideoRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("member", "offset", "start", "end")}


def _rows(outcomes: Sequence[tuple[VideoRow, Outcome]], section: "Index") -> list[dict[str, Any]]:
    accepted = [(row, found) for row, found in outcomes if isinstance(found, Accepted)]
    classes = sorted({row.label for row, _ in accepted})
    label_of = {name: label for label, name in enumerate(classes)}
    labels = [label_of[row.label] for row, _ in accepted]
    groups = unite(
        [row.group or found.video.id for row, found in accepted],
        [found.sha256 for _, found in accepted],
    )
    splits = _splits([row.split for row, _ in accepted], labels, groups, section)
    first: dict[tuple[object, ...], str] = {}
    rows = []
    for (row, found), label, split, group in zip(accepted, labels, splits, groups, strict=True):
        video = found.video
        original = first.setdefault((found.sha256, video.start, video.end), video.id)
        rows.append(
            {
                "id": video.id,
                "path": video.path,
                **_part(row),
                "bytes": video.own_bytes,
                "sha256": found.sha256,
                "class": row.label,
                "label": label,
                "split": split,
                **asdict(found.facts),
                "group": group,
                "duplicate_of": None if original == video.id else original,
            }
        )
    return rows


def _splits(
    given: Sequence[str | None], labels: Sequence[int], groups: Sequence[str], section: "Index"
) -> list[str]:
    """The split of each video: that of its source, else that of its group, else by a hash."""
    of_group: dict[str, str] = {}
    for split, group in zip(given, groups, strict=True):
        if split is not None:
            # A group that a source splits is held out as a whole where its other videos are dealt.
            of_group[group] = max(split, of_group.get(group, split), key=(TRAIN, TEST).index)
    free = [place for place, group in enumerate(groups) if group not in of_group]
    held_out = held_out_groups(
        [labels[place] for place in free],
        [groups[place] for place in free],
        section.test_fraction,
        section.seed,
    )
    by_hash = [TEST if group in held_out else TRAIN for group in groups]
    return [
        split or of_group.get(group, dealt)
        for split, group, dealt in zip(given, groups, by_hash, strict=True)
    ]


def doubts(videos: Sequence[Mapping[str, Any]]) -> list[str]:
    """What may be wrong with the splits of the rows of a manifest, a sentence each."""
    splits: defaultdict[str, set[str]] = defaultdict(set)
    classes: defaultdict[str, set[str]] = defaultdict(set)
    for row in videos:
        splits[row["group"]].add(row["split"])
        classes[row["class"]].add(row["split"])
    found = []
    straddling = sum(len(each) > 1 for each in splits.values())
    if straddling:
        found.append(
            f"index.source assigns the videos of {straddling} of {len(splits)} groups to both "
            "splits: the test split is not independent of the training data"
        )
    untrained = sorted(name for name, each in classes.items() if TRAIN not in each)
    if untrained:
        names = ", ".join(map(repr, untrained[:5])) + (", ..." if len(untrained) > 5 else "")
        found.append(
            f"{len(untrained)} of {len(classes)} classes have no training video ({names}): a "
            "model cannot learn these classes"
        )
    return found


def check(manifest: Manifest, section: "Index", table: Path) -> None:
    """Raise UserError if too few videos were accepted.

    That is: none, too large a share refused or missing, or none to test with though
    index.test_fraction is not 0. ``table`` is where the reasons can be read.
    """
    reasons = Counter(row.reason for row in manifest.refused if row.reason not in STRUCTURAL)
    missing = reasons.pop(Refusal.MISSING, 0)
    refused, files = reasons.total(), reasons.total() + len(manifest.videos)
    top = ", ".join(f"{reason.value} ({count})" for reason, count in commonest(reasons)[:3])
    if missing > section.max_missing * (files + missing):
        raise UserError(
            f"{missing} of {files + missing} videos in a table do not exist, "
            f"index.max_missing = {section.max_missing:g} allows "
            f"{int(section.max_missing * (files + missing)) or 'none'}",
            where=str(table),
            todo="compare the paths of the table with those below index.root, or raise "
            "index.max_missing",
        )
    if not manifest.videos:
        raise UserError(
            f"none of the {files} files is an acceptable video" + (f": {top}" if files else ""),
            where=str(table),
            todo="read the reasons in the table, and check that index.source is the layout of "
            "index.root",
        )
    if refused > section.max_refused * files:
        allowed = int(section.max_refused * files) or "none"
        raise UserError(
            f"{refused} of {files} files are refused, index.max_refused = {section.max_refused:g} "
            f"allows {allowed}: {top}",
            where=str(table),
            todo="fix or remove those files, or raise index.max_refused",
        )
    splits = Counter(row["split"] for row in manifest.videos)
    empty = [split for split in (TRAIN, TEST) if not splits[split]]
    if empty == [TEST] and section.test_fraction == 0:
        return
    if empty:
        raise UserError(
            f"the {empty[0]} split is empty: there are {len(manifest.videos)} videos in "
            f"{len({row['group'] for row in manifest.videos})} groups",
            where=f"index.test_fraction = {section.test_fraction:g}",
            todo="add videos or groups to it if index.source has splits, otherwise raise "
            "index.test_fraction; 0 means no test split",
        )
