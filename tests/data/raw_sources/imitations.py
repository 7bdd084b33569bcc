"""Small imitations of published data sets, and what `index` makes of them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from raw_index import manifest_of, section

from dvdgan.data.inspection import Limits
from dvdgan.data.manifest import Manifest
from dvdgan.data.raw_root import LocalRoot
from dvdgan.data.raw_sources.choice import read_source
from dvdgan.data.table import Table
from dvdgan.video.encode import encode_mp4

FPS = 5
LIMITS = Limits(min_short_side=8, max_pixels=10**6, clip_frames=4, clip_stride=1)


def add_videos(root: Path, paths: Iterable[str], frames: int = 6) -> None:
    """A video of 16 x 16 pixels at each path, no two of them equal."""
    for number, path in enumerate(sorted(paths)):
        pictures = np.full((frames, 16, 16, 3), 8 * (number % 30), np.uint8)
        pictures[:, :8, :8] = 8 * (number // 30)
        add_file(root, path, encode_mp4(pictures, FPS))


def add_file(root: Path, path: str, content: str | bytes) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


def indexed(root: Path, source: str, **changes: Any) -> Manifest:
    index = section(root, source=source, **changes)
    return manifest_of(index, root.parent / "outcomes", limits=LIMITS)


def table(root: Path, source: str, **changes: Any) -> Table:
    """What a source reads, without a look at any video."""
    folder = LocalRoot(root)
    return read_source(folder.list(), folder, section(root, source=source, **changes))


def splits(manifest: Manifest) -> dict[str, str]:
    return {row["path"]: row["split"] for row in manifest.videos}


def classes(manifest: Manifest) -> dict[str, str]:
    return {row["path"]: row["class"] for row in manifest.videos}


def refusals(found: Manifest | Table) -> dict[str, str]:
    return {each.path: each.reason.value for each in found.refused}
