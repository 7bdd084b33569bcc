"""`dvdgan index`: probe every video below index.root; accept or refuse it, with the reason."""

import json
import os
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from dvdgan.config import fingerprint
from dvdgan.data.indexing import Probing, accepted_before, build_manifest, check
from dvdgan.data.inspection import Accepted, Limits
from dvdgan.data.manifest import Manifest, summarise, write_manifest
from dvdgan.data.raw_root import open_root
from dvdgan.errors import UserError
from dvdgan.provenance.lock import fingerprint_of
from dvdgan.provenance.modules import code_behind
from dvdgan.stages.artefacts import INDEX, RUNS
from dvdgan.storage.ignored import describe_ignored
from dvdgan.storage.local import atomic_directory, write_json
from dvdgan.storage.output import check_stage_output
from dvdgan.storage.previous_output import previous_output

if TYPE_CHECKING:
    from dvdgan.config import Config

# The code that accepts or refuses a file.
PROBING_CODE = ("data/inspection.py", "data/raw_video.py", "video/decode.py")


def run(config: "Config", workers: int | None = None, part: tuple[int, int] | None = None) -> None:
    """Write artifacts/index; ``workers`` processes (default: one per core) change no byte of it.

    The outcome for each video is stored in .runs/index: an interrupted run resumes, and a later run
    probes only new and changed videos. Videos whose bytes are in the manifest of dvc.lock are
    hashed but not decoded. With ``part`` (i, n), only every n-th new video is probed, from the i-th
    on, and artifacts/index is not written. Raises UserError; if too many videos are refused, the
    tables remain in .runs/index for inspection.
    """
    check_stage_output(INDEX)
    root = open_root(config.index.root)
    limits = Limits(
        min_short_side=config.index.min_short_side,
        max_pixels=config.index.max_pixels,
        clip_frames=config.clip.frames,
        clip_stride=config.clip.stride,
        keep_damaged=config.index.keep_damaged,
    )
    key = _probing_key(limits)
    outcomes = RUNS / "index" / fingerprint(str(root), key)
    before = partial(_accepted_before, key)
    probing = Probing(limits, workers or os.cpu_count() or 1, outcomes, before)
    if part is not None:
        probed = build_manifest(config.index, root, probing, part).probed
        print(f"index: part {part[0]} of {part[1]}: {probed} videos probed below {root}")
        return
    manifest = build_manifest(config.index, root, probing)
    if manifest.ignored:
        print(f"index: {describe_ignored(manifest.ignored)}")
    for note in manifest.notes:
        print(f"index: {note}")
    try:
        check(manifest, config.index, table=RUNS / "index" / "refused.csv")
    except UserError:
        write_manifest(manifest, RUNS / "index")
        raise
    with atomic_directory(INDEX) as aside:
        write_manifest(manifest, aside)
        write_json(aside / "probing.json", {"key": key})
    print(_described(manifest, str(root)))


def _probing_key(limits: Limits) -> str:
    """A fingerprint that is equal if all outcomes of probing are equal."""
    code = fingerprint_of(code_behind(*PROBING_CODE))
    return fingerprint(json.dumps(asdict(limits)), version("av"), code)


def _accepted_before(key: str) -> dict[str, Accepted]:
    """The videos of the manifest in dvc.lock, if they were probed in the same way."""
    probing = previous_output(INDEX / "probing.json")
    if probing is None or json.loads(probing)["key"] != key:
        return {}
    manifest = previous_output(INDEX / "manifest.parquet")
    return {} if manifest is None else accepted_before(manifest)


def _described(manifest: Manifest, root: str) -> str:
    summary = summarise(manifest)
    reasons = summary["refused"]
    missing = reasons.pop("missing", 0)
    listed = ", ".join(f"{count} {reason}" for reason, count in list(reasons.items())[:3])
    new = [f"{manifest.probed} probed"] * (manifest.probed > 0)
    new += [f"{manifest.recognised} recognised by their bytes"] * (manifest.recognised > 0)
    return (
        f"index: {root}: {summary['videos']} videos in {len(summary['classes'])} classes "
        f"({summary['splits']['train']} train, {summary['splits']['test']} test), "
        f"{sum(reasons.values())} refused{f' ({listed})' if listed else ''}"
        f"{f', {missing} missing' if missing else ''}; {', '.join(new) or 'nothing new'} -> {INDEX}"
    )
