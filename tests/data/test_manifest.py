"""The manifest over hostile and plain folders: every path accepted, or refused for its reason."""

import csv
import math
import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from raw_index import manifest_of, section

from dvdgan.data.indexing import check
from dvdgan.data.manifest import read_manifest, write_manifest, write_rows
from dvdgan.data.refusal import STRUCTURAL, Refusal
from dvdgan.errors import UserError
from dvdgan.storage.local import read_json, sha256_of_file

KEPT = "outcomes"

ACCEPTED = {  # name: frames
    **dict.fromkeys(["alpha_qtrle.mov", "alpha_vp9.webm"], 15),
    **dict.fromkeys(["anim.gif", "odd_101x57_444.mp4", "odd_101x57_420.webm", "sar_2_1.mp4"], 20),
    **dict.fromkeys(["rotated_90.mp4", "rotated_180.mp4"], 20),
    **dict.fromkeys(["h264_fullrange.mp4", "h264_bt709.mp4", "h264_422_10bit.mp4", "av1.mp4"], 30),
    **dict.fromkeys(["vp8.webm", "vp9.webm", "mjpeg_fullrange.avi", "mpeg2.mpg", "flv1.flv"], 30),
    **dict.fromkeys(["hevc_10bit.mp4", "hevc_hdr_pq.mp4", "gray.mp4"], 30),
    **{"audio_first.mp4": 58, "interlaced.mp4": 40, "static.mp4": 50},
    **{"id_h264_bframes.mp4": 100, "id_h264_longgop.mp4": 400, "id_fragmented.mp4": 100},
    **{"id_vp9.webm": 60, "id_ffv1.mkv": 50, "id_vfr.mp4": 90, "id_1000fps.mkv": 64},
    "id_halffps.mp4": 12,
    # One good clip under awkward names.
    **dict.fromkeys(["-leading-dash.mp4", "UPPER.MP4", "comma,in,name.mp4"], 105),
    **dict.fromkeys(["name with spaces.mp4", "new\nline.mp4", "tab\there.mp4"], 105),
    **dict.fromkeys(["percent%20%d.mp4", "quote'and\"dq.mp4"], 105),
    **dict.fromkeys(["unicode_nfd_e\u0301.mp4", "unicode_видео_日本_é.mp4"], 105),
    **dict.fromkeys(["dup_a.mp4", "dup_b.mp4", "link_to_dup_a.mp4"], 105),
    "l" * 240 + ".mp4": 105,
}
REFUSED = {
    "anim.webp": (Refusal.NOT_A_VIDEO, "animated WebP is not supported"),
    "html_404.mp4": (Refusal.NOT_A_VIDEO, "container"),
    "random_bytes.avi": (Refusal.NOT_A_VIDEO, "container"),
    "text_renamed.mp4": (Refusal.NOT_A_VIDEO, "container"),
    "truncated_no_moov.mp4": (Refusal.TRUNCATED, "mdat box runs to byte 73260"),
    "audio_only.mp4": (Refusal.NO_VIDEO_STREAM, "audio"),
    "bitflips_1.mp4": (Refusal.DAMAGED, "corrupt"),
    "bitflips_2.mp4": (Refusal.DAMAGED, "frame"),
    "truncated_faststart.mp4": (Refusal.TRUNCATED, "after 50 frames"),
    "zero_byte.mp4": (Refusal.EMPTY_FILE, "0 bytes"),
    "one_frame.mp4": (Refusal.TOO_SHORT, "1 frame; a clip of 12 frames at stride 1 needs 12"),
    "three_frames.mp4": (Refusal.TOO_SHORT, "3 frames;"),
    "eight_frames.mp4": (Refusal.TOO_SHORT, "8 frames;"),
    "nine_frames.mp4": (Refusal.TOO_SHORT, "9 frames;"),
    "huge_4k_2frames.mp4": (Refusal.TOO_SHORT, "2 frames;"),
    "huge_8192_1frame.mp4": (Refusal.TOO_LARGE, "8192 x 8192"),
    "tiny_2x2.mp4": (Refusal.TOO_SMALL, "2 x 2"),
    "loop_a.mp4": (Refusal.UNREADABLE, "symbolic links"),
    "loop_b.mp4": (Refusal.UNREADABLE, "symbolic links"),
    "dangling.mp4": (Refusal.UNREADABLE, "No such file"),
    "directory.mp4": (Refusal.EMPTY_FOLDER, "no file"),
    "empty_class": (Refusal.EMPTY_FOLDER, "no file"),
}


def test_every_hostile_file_has_its_expected_outcome(hostile_files: Path, tmp_path: Path) -> None:
    manifest = manifest_of(section(hostile_files.parent), tmp_path / KEPT, workers=2)
    refused = {row.path.partition("/")[2]: row for row in manifest.refused}
    assert {row["path"].partition("/")[2]: row["frames"] for row in manifest.videos} == ACCEPTED
    assert manifest.ignored == {".*": 1}  # .hidden.mp4
    below = [refused.pop(name).reason for name in list(refused) if name.startswith("real/")]
    assert set(below) == {Refusal.NESTED}
    assert {name: row.reason for name, row in refused.items()} == {
        name: reason for name, (reason, _) in REFUSED.items()
    }
    for name, (_, words) in REFUSED.items():
        assert words in refused[name].detail, name

    write_manifest(manifest, tmp_path)
    assert read_manifest(tmp_path / "manifest.parquet") == manifest.videos  # names round-trip
    same = [row for row in manifest.videos if row["frames"] == 105]
    dup = {row["path"].rpartition("/")[2]: row for row in same}
    assert dup["dup_a.mp4"]["group"] == dup["link_to_dup_a.mp4"]["group"]
    assert dup["link_to_dup_a.mp4"]["sha256"] == dup["dup_b.mp4"]["sha256"]
    assert {row["split"] for row in same if row["sha256"] == dup["dup_a.mp4"]["sha256"]} in (
        {"train"},
        {"test"},
    )


@pytest.fixture
def awkward_root(tmp_path: Path, synthetic_videos: Path) -> Path:
    root = tmp_path / "root"
    shutil.copytree(synthetic_videos, root)
    (root / "empty").mkdir()
    (root / "notes.txt").write_text("hello")
    os.mkfifo(root / "circle_right" / "pipe.mp4")
    # A short relative name: the path of a socket may have only 107 bytes.
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(root / "circle_right")
        listener.bind("sock.mp4")
        os.chdir(here)
    Path(os.fsdecode(os.fsencode(root / "circle_right") + b"/\xff\r\n.mp4")).write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(root) + b"/\xfe")).mkdir()
    (root / "circle_right" / "up").symlink_to("..")
    (root / "circle_right" / "carriage\r,return.mp4").write_bytes(b"no video")
    return root


def test_what_is_no_file_is_never_opened(awkward_root: Path, tmp_path: Path) -> None:
    manifest = manifest_of(section(awkward_root), tmp_path / KEPT)
    assert {row.path: row.reason for row in manifest.refused} == {
        "empty": Refusal.EMPTY_FOLDER,
        "notes.txt": Refusal.NOT_IN_A_CLASS_FOLDER,
        "circle_right/pipe.mp4": Refusal.NOT_A_REGULAR_FILE,
        "circle_right/sock.mp4": Refusal.NOT_A_REGULAR_FILE,
        "circle_right/\\xff\r\n.mp4": Refusal.NAME_NOT_UTF8,
        "\\xfe": Refusal.NAME_NOT_UTF8,
        "circle_right/up": Refusal.LINK_LOOP,
        "circle_right/carriage\r,return.mp4": Refusal.NOT_A_VIDEO,
    }
    write_manifest(manifest, tmp_path)
    with (tmp_path / "refused.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [row.path for row in manifest.refused]
    summary = read_json(tmp_path / "summary.json")
    assert (summary["videos"], summary["splits"]) == (12, {"train": 8, "test": 4})
    assert sum(summary["refused"].values()) == 8


def test_workers_change_no_byte(synthetic_videos: Path, tmp_path: Path) -> None:
    digests = []
    for workers in (1, 2):
        kept, out = tmp_path / f"kept{workers}" / KEPT, tmp_path / f"out{workers}"
        manifest = manifest_of(section(synthetic_videos), kept, workers=workers)
        assert manifest.probed == 12
        write_manifest(manifest, out)
        digests.append([sha256_of_file(path) for path in sorted(out.iterdir())])
    assert digests[0] == digests[1]


def test_groups_of_a_table_stay_together(synthetic_videos: Path, tmp_path: Path) -> None:
    root = tmp_path / "videos"
    shutil.copytree(synthetic_videos, root)
    paths = sorted(path.relative_to(root) for path in root.rglob("*.mp4"))
    lines = [f"{path},{path.stem}\n" for path in paths]
    (root / "takes.csv").write_text("file,take\n" + "".join(lines))
    columns = section(root).columns.model_dump() | {"path": "file", "group": "take"}
    index = section(root, table="takes.csv", columns=columns, test_fraction=0.5)
    manifest = manifest_of(index, tmp_path / KEPT)
    assert manifest.refused == []
    splits = {(row["group"], row["split"]) for row in manifest.videos}
    assert len(splits) == 3
    assert sum(split == "test" for _, split in splits) == 2


def test_too_many_refusals_stop_the_stage(awkward_root: Path, tmp_path: Path) -> None:
    manifest = manifest_of(section(awkward_root), tmp_path / KEPT)
    files = 12 + sum(row.reason not in STRUCTURAL for row in manifest.refused)
    assert files == 15
    check(manifest, section(awkward_root, max_refused=0.2), table=Path("refused.csv"))
    with pytest.raises(UserError, match=r"allows 2: name_not_utf8 \(2\), not_a_video \(1\)"):
        check(manifest, section(awkward_root, max_refused=0.19), table=Path("refused.csv"))
    with pytest.raises(UserError, match=r"3 of 15 files are refused, .* = 0 allows none:"):
        check(manifest, section(awkward_root, max_refused=0.0), table=Path("refused.csv"))


@pytest.mark.parametrize("below", ["class", "class/clip"])
def test_folders_of_frames_are_told_before_any_is_probed(tmp_path: Path, below: str) -> None:
    folder = tmp_path / "videos" / below
    folder.mkdir(parents=True)
    for frame in range(12):
        (folder / f"{frame:02d}.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(UserError, match=r"the files are pictures \(\.jpg\), not videos") as caught:
        manifest_of(section(tmp_path / "videos"), tmp_path / KEPT)
    assert "ffmpeg" in caught.value.todo
    assert not (tmp_path / KEPT).exists()


def test_roots_without_videos(tmp_path: Path) -> None:
    root, kept = tmp_path / "root", tmp_path / KEPT
    with pytest.raises(UserError, match="does not exist"):
        manifest_of(section(root), kept)
    root.mkdir()
    with pytest.raises(UserError, match="is empty"):
        manifest_of(section(root), kept)
    (root / "class").mkdir()
    manifest = manifest_of(section(root), kept)
    with pytest.raises(UserError, match="none of the 0 files"):
        check(manifest, section(root, max_refused=1.0), table=Path("refused.csv"))
    write_manifest(manifest, tmp_path / "out")
    assert read_manifest(tmp_path / "out" / "manifest.parquet") == []


COLUMNS = pa.schema([("text", pa.string()), ("count", pa.int64()), ("value", pa.float64())])


def test_rows_come_back_exactly(tmp_path: Path) -> None:
    """Read by pyarrow's own reader."""
    rng = np.random.default_rng(0)
    values = [*rng.standard_normal(1000) * 10.0 ** rng.integers(-300, 300, 1000), 0.0, math.pi]
    texts = ["", None, 'é\n\r\t"\\\u2028 видео', "2020-01-01", "null", "1"]
    rows = [
        {"text": texts[i % len(texts)], "count": 2**63 - 1 - i, "value": float(value)}
        for i, value in enumerate(values)
    ]
    write_rows(rows, COLUMNS, tmp_path / "table.parquet")
    table = pq.read_table(tmp_path / "table.parquet")
    assert table.schema.equals(COLUMNS)
    assert table.to_pylist() == rows


def test_no_rows_are_a_table_too(tmp_path: Path) -> None:
    write_rows([], COLUMNS, tmp_path / "table.parquet")
    assert pq.read_table(tmp_path / "table.parquet").schema.equals(COLUMNS)
