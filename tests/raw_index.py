"""What tests of the index stage share: its section of params.yaml, and the manifest of a root."""

from pathlib import Path
from typing import Any

from dvdgan.config.schema import Index
from dvdgan.data.indexing import Probing, build_manifest
from dvdgan.data.inspection import Limits
from dvdgan.data.manifest import Manifest
from dvdgan.data.raw_root import open_root

LIMITS = Limits(min_short_side=32, max_pixels=9_437_184, clip_frames=12, clip_stride=1)


def section(root: Path | str, **changes: Any) -> Index:
    """The section `index` for the videos below ``root``."""
    columns = ("path", "label", "split", "group", "start", "end")
    values: dict[str, Any] = {
        "root": str(root),
        "source": "class_folders",
        "table": None,
        "columns": {name: name for name in columns},
        "split_list": 1,
        "nested": False,
        "test_fraction": 0.25,
        "seed": 0,
        "min_short_side": 32,
        "max_pixels": 9_437_184,
        "timeout_s": 60.0,
        "keep_damaged": False,
        "max_refused": 0.1,
        "max_missing": 0.0,
    }
    return Index.model_validate(values | changes)


def manifest_of(
    index: Index, outcomes: Path, workers: int = 1, limits: Limits = LIMITS, **probing: Any
) -> Manifest:
    """The manifest of index.root; ``outcomes`` is a folder."""
    how = Probing(limits, workers, outcomes, **probing)
    return build_manifest(index, open_root(index.root), how)
