"""`dvdgan index`: probe every video below index.root; accept or refuse it, with the reason."""

import json
import os
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING

from dvdgan.config import fingerprint
from dvdgan.data.indexing import build_manifest, check
from dvdgan.data.inspection import Limits
from dvdgan.data.manifest import Manifest, summarise, write_manifest
from dvdgan.data.raw_root import open_root
from dvdgan.errors import UserError
from dvdgan.provenance.lock import fingerprint_of
from dvdgan.provenance.modules import code_behind
from dvdgan.stages.artefacts import INDEX, RUNS
from dvdgan.storage.ignored import describe_ignored
from dvdgan.storage.local import atomic_directory
from dvdgan.storage.output import check_stage_output

if TYPE_CHECKING:
    from dvdgan.config import Config

# The code that accepts or refuses a file.
PROBING_CODE = ("data/inspection.py", "data/raw_video.py", "video/decode.py")


def run(config: "Config", workers: int | None = None) -> None:
    """Write artifacts/index; ``workers`` processes (default: one per core) change no byte of it.

    What becomes of each file is kept in .runs/index: an interrupted run goes on where it was, and
    a later one probes only what is new or changed. Raises UserError; where too much is refused,
    the tables are left in .runs/index to be read.
    """
    check_stage_output(INDEX)
    root = open_root(config.index.root)
    limits = Limits(
        min_short_side=config.index.min_short_side,
        max_pixels=config.index.max_pixels,
        clip_frames=config.clip.frames,
        clip_stride=config.clip.stride,
    )
    kept = RUNS / "index" / _cache_key(str(root), limits) / "outcomes.jsonl"
    manifest = build_manifest(config.index, root, limits, workers or os.cpu_count() or 1, kept)
    if manifest.ignored:
        print(f"index: {describe_ignored(manifest.ignored)}")
    try:
        check(manifest, config.index, table=RUNS / "index" / "refused.csv")
    except UserError:
        write_manifest(manifest, RUNS / "index")
        raise
    with atomic_directory(INDEX) as aside:
        write_manifest(manifest, aside)
    print(_described(manifest, str(root)))


def _cache_key(root: str, limits: Limits) -> str:
    code = fingerprint_of(code_behind(*PROBING_CODE))
    return fingerprint(root, json.dumps(asdict(limits)), version("av"), code)


def _described(manifest: Manifest, root: str) -> str:
    summary = summarise(manifest)
    found = f"{manifest.probed} files probed" if manifest.probed else "nothing new"
    return (
        f"index: {found} below {root}: {summary['videos']} videos in {len(summary['classes'])} "
        f"classes ({summary['splits']['train']} train, {summary['splits']['test']} test), "
        f"{len(manifest.refused)} refused -> {INDEX}"
    )
