"""`dvdgan index`: probe every video below index.root; accept or refuse it, with the reason."""

import os
from typing import TYPE_CHECKING

from dvdgan.data.inspection import Limits
from dvdgan.data.manifest import build_manifest, check, summarise, write_manifest
from dvdgan.errors import UserError
from dvdgan.stages.artefacts import INDEX, RUNS
from dvdgan.storage.local import atomic_directory

if TYPE_CHECKING:
    from dvdgan.config import Config


def run(config: "Config", workers: int | None = None) -> None:
    """Write artifacts/index; ``workers`` processes (default: one per core) change no byte of it.

    Raises UserError; where too much is refused, the tables are left in .runs/index to be read.
    """
    limits = Limits(
        min_short_side=config.index.min_short_side,
        max_pixels=config.index.max_pixels,
        clip_frames=config.clip.frames,
        clip_stride=config.clip.stride,
    )
    manifest = build_manifest(config.index, limits, workers or os.cpu_count() or 1)
    try:
        check(manifest, config.index.max_refused, table=RUNS / "index" / "refused.csv")
    except UserError:
        write_manifest(manifest, RUNS / "index")
        raise
    with atomic_directory(INDEX) as aside:
        write_manifest(manifest, aside)
    summary = summarise(manifest)
    print(
        f"index: {summary['videos']} videos in {len(summary['classes'])} classes "
        f"({summary['splits']['train']} train, {summary['splits']['test']} test), "
        f"{len(manifest.refused)} refused -> {INDEX}"
    )
