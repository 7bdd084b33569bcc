"""Layouts in a bucket give the manifest that they give in a folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from imitations import LIMITS, add_file, add_videos
from raw_index import manifest_of, section
from s3_server import s3_server

ROWS = "label,youtube_id,time_start,time_end,split\n"
LAYOUTS: dict[str, dict[str, str]] = {
    "csv": {"odd name's.mp4": "", "b.mp4": "", "t.csv": "path,label,start\nodd name's.mp4,x,1\n"},
    "hugging_face": {"train/x/a.mp4": "", "val/x/b.mp4": ""},
    "kinetics": {
        "val/--6zxbYq5M4_000001_000011.mp4": "",
        "val.csv": f"{ROWS}x,--6zxbYq5M4,1,11,val\n",
    },
    "ucf101": {
        "UCF-101/X/v_X_g01_c01.avi": "",
        "ucfTrainTestlist/trainlist01.txt": "X/v_X_g01_c01.avi 1\n",
        "ucfTrainTestlist/testlist01.txt": "X/v_X_g02_c01.avi\n",
    },
}  # path -> text; empty: a video


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_server("layouts"):
        yield "layouts"


@pytest.mark.parametrize("source", LAYOUTS)
def test_a_bucket_gives_the_same_manifest(source: str, bucket: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    add_videos(root, [path for path, text in LAYOUTS[source].items() if not text], frames=20)
    for path, text in LAYOUTS[source].items():
        if text:
            add_file(root, path, text)
    for path in LAYOUTS[source]:
        boto3.client("s3").upload_file(str(root / path), bucket, f"{source}/{path}")
    changes: dict[str, Any] = {"source": source, "table": "t.csv" if source == "csv" else None}
    local, stored = (
        manifest_of(section(place, **changes), tmp_path / name, limits=LIMITS)
        for name, place in (("local", root), ("stored", f"s3://{bucket}/{source}"))
    )
    assert len(stored.videos) == (2 if source == "hugging_face" else 1)
    assert (stored.videos, stored.refused) == (local.videos, local.refused)
