"""A folder in another layout than index.source is told by name, never read as another thing."""

import unicodedata
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from imitations import add_file, add_videos, refusals, table

from dvdgan.data.listing import ListedFile, Listing
from dvdgan.data.raw_sources.choice import SOURCES
from dvdgan.data.refusal import Refusal, Refused
from dvdgan.errors import UserError

# Layout -> files of it; CSVs and lists are not read by what recognises them.
LAYOUTS = {
    "class_folders": ["wave/a.mp4", "bend/b.mp4"],
    "csv": ["a.mp4", "b.mp4", "videos.csv"],
    "hugging_face": ["train/wave/a.mp4", "val/wave/b.mp4"],
    "kinetics": ["train/wave/a.mp4", "val/wave/b.mp4", "train.csv", "val.csv"],
    "webdataset": ["00000.tar", "00001.tar", "classes.txt"],
    "bair": ["softmotion30_44k/train/traj_0_to_255.tfrecords", "test/traj_0_to_255.tfrecords"],
    "ucf101": ["UCF-101/Ski/v_Ski_g01_c01.avi", "ucfTrainTestlist/trainlist01.txt"],
}
MORE = {
    "one split alone": ("hugging_face", ["train/wave/a.mp4", "train/bend/b.mp4"]),
    "upper case": ("hugging_face", ["Train/wave/a.mp4", "VAL/wave/b.mp4"]),
    "metadata alone": ("hugging_face", ["a.mp4", "metadata.jsonl"]),
    "annotations": ("kinetics", ["train/a.mp4", "annotations/train.csv"]),
    "names of clips": ("kinetics", ["v/xxxxxxxxxxx_000001_000011.mp4", "kinetics600.csv"]),
    "a table beside splits": ("hugging_face", ["train/w/a.mp4", "val/w/b.mp4", "labels.csv"]),
}
CASES = {**{name: (name, files) for name, files in LAYOUTS.items()}, **MORE}


@pytest.mark.parametrize("case", CASES)
def test_class_folders_name_the_layout_that_is_there(tmp_path: Path, case: str) -> None:
    layout, files = CASES[case]
    root = tmp_path / "root"
    for file in files:
        add_file(root, file, "x")
    if layout == "class_folders":
        assert len(table(root, "class_folders").rows) == 2
        return
    with pytest.raises(UserError, match=rf"(?s)but like {layout} .*set index\.source: {layout}$"):
        table(root, "class_folders")


@pytest.mark.parametrize("source", ["hugging_face", "kinetics", "ucf101"])
@pytest.mark.parametrize("layout", ["class_folders", "csv"])
def test_other_sources_do_so_too(tmp_path: Path, source: str, layout: str) -> None:
    for file in LAYOUTS[layout]:
        add_file(tmp_path, file, "x")
    with pytest.raises(UserError, match=rf"(?s)but like {layout} .*set index\.source: {layout}$"):
        table(tmp_path, source)


def test_a_table_of_groups_beside_class_folders_changes_no_layout(tmp_path: Path) -> None:
    add_videos(tmp_path, ["wave/a.mp4", "bend/b.mp4"])
    add_file(tmp_path, "groups.csv", "path,group\nwave/a.mp4,ann\nbend/b.mp4,ann\n")
    rows = table(tmp_path, "class_folders", table="groups.csv").rows
    assert {row.group for row in rows} == {"ann"}
    add_file(tmp_path, "groups.csv", "path,start\nwave/a.mp4,1\nbend/b.mp4,\n")
    with pytest.raises(UserError, match=r"(?s)time ranges.*index\.source: csv"):
        table(tmp_path, "class_folders", table="groups.csv")


def test_a_table_beside_class_folders_may_have_another_unicode_form(tmp_path: Path) -> None:
    add_videos(tmp_path, [unicodedata.normalize("NFD", "grün/ä.mp4")])
    add_file(tmp_path, "groups.csv", unicodedata.normalize("NFC", "path,group\ngrün/ä.mp4,ann\n"))
    [row] = table(tmp_path, "class_folders", table="groups.csv").rows
    assert row.group == "ann"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_table_may_be_used_on_any_layout(tmp_path: Path, layout: str) -> None:
    for file in LAYOUTS[layout]:
        add_file(tmp_path, file, "x")
    first = LAYOUTS[layout][0]
    add_file(tmp_path, "mine.csv", f"path,label\n{first},wave\n")
    [row] = table(tmp_path, "csv", table="mine.csv").rows
    assert row.path == first


def test_odd_names_are_recognised_as_nothing_and_raise_nothing() -> None:
    words = [
        "train",
        "VAL",
        "",
        ".",
        "..",
        "a\nb",
        "'",
        "\\",
        "metadata.csv",
        "x.tar",
        "-",
        "é",
        "_",
    ]
    words += [
        "train.csv",
        "trainlist01.txt",
        "traj_1_to_2.tfrecords",
        "12345678901.mp4",
        "%s",
        "{}",
    ]
    random = Random(0)
    for _ in range(300):
        paths = ["/".join(random.choices(words, k=random.randrange(1, 5))) for _ in range(3)]
        listing = Listing([ListedFile(path, 1) for path in paths], Counter())
        assert {source.recognises(listing) for source in SOURCES.values()} <= {True, False}
    for entries in ([], [Refused("train/wave", Refusal.EMPTY_FOLDER, "contains no file")]):
        listing = Listing(list(entries), Counter())
        assert not any(source.recognises(listing) for source in SOURCES.values())


def test_archives_beside_class_folders_are_no_layout(tmp_path: Path) -> None:
    add_videos(tmp_path, ["wave/a.mp4", "bend/b.mp4"])
    add_file(tmp_path, "all.tar", "x")
    add_file(tmp_path, "wave/metadata.csv", "x")
    found = table(tmp_path, "class_folders")
    assert refusals(found) == {"all.tar": "not_in_a_class_folder"}


def test_class_folders_with_a_table_are_meant_so(tmp_path: Path) -> None:
    add_videos(tmp_path, ["wave/a.mp4", "bend/b.mp4"])
    add_file(tmp_path, "metadata.csv", "path,group\nwave/a.mp4,ann\nbend/b.mp4,ann\n")
    assert {row.group for row in table(tmp_path, "class_folders", table="metadata.csv").rows} == {
        "ann"
    }
    with pytest.raises(UserError, match="but like hugging_face"):
        table(tmp_path, "class_folders")


def test_a_class_named_like_a_split_is_a_class(tmp_path: Path) -> None:
    add_videos(tmp_path, ["train/a.mp4", "plane/b.mp4"])
    assert {row.label for row in table(tmp_path, "class_folders").rows} == {"train", "plane"}


def test_splits_without_classes_are_no_classes(tmp_path: Path) -> None:
    add_videos(tmp_path, ["train/a.mp4", "val/b.mp4"])
    with pytest.raises(UserError, match="named like splits"):
        table(tmp_path, "class_folders")
