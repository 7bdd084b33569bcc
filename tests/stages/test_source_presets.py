"""The preset of each source, on an imitation of it: into shards, and from index to report."""

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from tiny_pipeline import PROJECT, run_stages, tiny

from dvdgan.config import load_config
from dvdgan.data.frame_pack import decode_sample
from dvdgan.data.synthetic import FPS, draw, read_frame_number
from dvdgan.stages import index, shard
from dvdgan.stages.artefacts import EVALUATE, INDEX, REPORT, SHARDS
from dvdgan.storage.local import read_json
from dvdgan.video.encode import encode_mp4

CLASSES = ["bar_rotating", "circle_right"]
# Frames of a whole video of which a row names the second second.
WHOLE = 60


class Clip(NamedTuple):
    """What a sample of a shard is; no two have equal lengths."""

    label: str
    split: str
    frames: int
    first: int = 0
    """The number that is drawn into its first frame."""


# Of each class four for training and two held out.
CLIPS = [
    Clip(label, "train" if number < 4 else "test", 12 + 6 * place + number)
    for place, label in enumerate(CLASSES)
    for number in range(6)
]


def put(file: Path, content: bytes | str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())


def video(label: str, frames: int) -> bytes:
    return encode_mp4(draw(label, np.random.default_rng(frames), 64, frames), FPS)


def imitate_csv(root: Path) -> list[Clip]:
    rows = ["path,label,split,group,start,end"]
    for clip in CLIPS:
        put(root / f"{clip.frames}.mp4", video(clip.label, clip.frames))
        rows.append(f"{clip.frames}.mp4,{clip.label},{clip.split},,,")
    put(root / "whole.mp4", video(CLASSES[0], WHOLE))
    rows += [f"whole.mp4,{CLASSES[0]},train,,1,2", f"whole.mp4,{CLASSES[1]},train,,2,"]
    put(root / "videos.csv", "\r\n".join(rows))
    whole = [Clip(CLASSES[0], "train", 25, first=25), Clip(CLASSES[1], "train", 10, first=50)]
    return CLIPS + whole


def imitate_hugging_face(root: Path) -> list[Clip]:
    rows = ["file_name,label"]
    for clip in CLIPS:
        if clip.split == "train":
            file = root / "train" / clip.label / f"{clip.frames}.mp4"
        else:
            file = root / "validation" / f"{clip.frames}.mp4"
            rows.append(f"{file.name},{clip.label}")
        put(file, video(clip.label, clip.frames))
    put(root / "validation" / "metadata.csv", "\n".join(rows))
    return CLIPS


def imitate_kinetics(root: Path) -> list[Clip]:
    tables = {name: ["label,youtube_id,time_start,time_end,split"] for name in ("train", "val")}
    for clip in CLIPS:
        split = "train" if clip.split == "train" else "val"
        name = f"-_{clip.frames:09d}"
        put(
            root / split / clip.label.replace("_", " ") / f"{name}_000003_000013.mp4",
            video(clip.label, clip.frames),
        )
        tables[split].append(f"{clip.label},{name},3,13,{split}")
    put(root / "train" / "whole_video.mp4", video(CLASSES[1], WHOLE))
    tables["train"] += [
        f"{CLASSES[1]},whole_video,1,2,train",
        f"{CLASSES[0]},dead_video0,0,9,train",
    ]
    for name, rows in tables.items():
        put(root / "annotations" / f"{name}.csv", "\n".join(rows))
    unlabelled = "youtube_id,time_start,time_end,split\nhidden_0000,0,10,test\n"
    put(root / "annotations" / "test.csv", unlabelled)
    return [*CLIPS, Clip(CLASSES[1], "train", 25, first=25)]


def imitate_ucf101(root: Path) -> list[Clip]:
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for clip in CLIPS:
        name = f"{clip.label}/v_{clip.label}_g{clip.frames}_c01.avi"
        put(root / "UCF-101" / name, video(clip.label, clip.frames))
        number = f" {1 + CLASSES.index(clip.label)}" if clip.split == "train" else ""
        lists[clip.split].append(name + number)
    for split, lines in lists.items():
        put(root / "ucfTrainTestlist" / f"{split}list01.txt", "\r\n".join(lines))
    put(root / "ucfTrainTestlist" / "classInd.txt", "1 bar_rotating\r\n2 circle_right\r\n")
    return CLIPS


IMITATIONS: dict[str, Callable[[Path], list[Clip]]] = {
    "small_csv": imitate_csv,
    "small_hugging_face": imitate_hugging_face,
    "table1_12x64": imitate_kinetics,
    "table2_ucf101": imitate_ucf101,
}


def tiny_preset(name: str, root: Path) -> dict[str, Any]:
    """The preset's section `index`, on ``root``, with sizes of seconds."""
    section = load_config(PROJECT / "presets" / f"{name}.yaml").index.model_dump()
    return tiny(root) | {"index": section | {"root": str(root), "min_short_side": 32}}


def samples(folder: Path) -> Iterator[Clip]:
    """Every sample of the tars of ``folder``."""
    classes = read_json(folder / "index.json")["classes"]
    for path in folder.glob("*.tar"):
        with tarfile.open(path) as tar:
            members = {member.name: member for member in tar.getmembers()}
            for name in members:
                key, _, kind = name.partition(".")
                if kind == "frames":
                    parts = {kind: tar.extractfile(f"{key}.{kind}") for kind in ("frames", "json")}
                    read = {kind: file.read() for kind, file in parts.items() if file is not None}
                    frames, label = decode_sample(read)
                    split = path.name.partition("-")[0]
                    yield Clip(classes[label], split, len(frames), read_frame_number(frames[0]))


@pytest.mark.parametrize("name", IMITATIONS)
def test_shards_hold_what_the_source_says(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = IMITATIONS[name](tmp_path / "videos")
    run_stages(tiny_preset(name, tmp_path / "videos"), tmp_path, (index, shard))
    assert sorted(samples(tmp_path / SHARDS)) == sorted(expected)
    refused = read_json(tmp_path / INDEX / "summary.json")["refused"]
    assert refused == ({"missing": 1} if name == "table1_12x64" else {})
    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if line.startswith("index: ")]
    if name == "table1_12x64":
        [note, *told] = told
        assert note == "index: rows of the CSVs without a label, which are not used: 1"
        assert "1 missing" in told[0]
    assert len(told) == 1


@pytest.mark.long
@pytest.mark.parametrize("name", IMITATIONS)
def test_a_run_leads_from_index_to_report(name: str, tmp_path: Path) -> None:
    IMITATIONS[name](tmp_path / "videos")
    run_stages(tiny_preset(name, tmp_path / "videos"), tmp_path)
    assert any("FVD" in key for key in read_json(tmp_path / EVALUATE / "results.json")["generated"])
    page = (tmp_path / REPORT / "index.html").read_text(encoding="utf-8")
    assert all(label in page for label in CLASSES)
