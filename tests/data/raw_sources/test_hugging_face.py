"""`hugging_face`: the folders that `datasets` reads as VideoFolder."""

from pathlib import Path

import pytest
from imitations import add_file, add_videos, classes, indexed, refusals, splits, table

from dvdgan.errors import UserError

FOLDERS = ["train/wave/0.mp4", "train/bend/1.mp4", "val/wave/2.mp4", "test/bend/3.mkv"]


def test_class_folders_in_folders_of_splits(tmp_path: Path) -> None:
    root = tmp_path / "folder"
    add_videos(root, [*FOLDERS, "train/4.mp4", "train/wave/sub/5.mp4", "6.mp4", "docs/7.mp4"])
    found = indexed(root, "hugging_face")
    assert splits(found) == {
        "train/wave/0.mp4": "train",
        "train/bend/1.mp4": "train",
        "val/wave/2.mp4": "test",
        "test/bend/3.mkv": "test",
    }
    assert classes(found) == {path: path.split("/")[1] for path in FOLDERS}
    assert refusals(found) == {
        "train/4.mp4": "not_in_a_class_folder",
        "train/wave/sub/5.mp4": "nested",
        "6.mp4": "not_in_a_class_folder",
        "docs/7.mp4": "not_in_a_class_folder",
    }
    nested = {row.path: row.label for row in table(root, "hugging_face", nested=True).rows}
    assert nested["train/wave/sub/5.mp4"] == "wave"


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_metadata_of_each_split(tmp_path: Path, ending: str) -> None:
    root = tmp_path / "metadata"
    add_videos(root, ["train/a.mp4", "train/clips/b.mp4", "train/c.mp4", "test/d.mp4"])
    if ending == "csv":
        train = "file_name,label,caption\r\na.mp4,3,hello\r\nclips/b.mp4,12,\r\ngone.mp4,3,\r\n"
        test = "file_name,label\nd.mp4,3\n"
    else:
        train = (
            '{"file_name": "a.mp4", "label": 3, "caption": null}\r\n'
            '{"file_name": "clips/b.mp4", "label": 12}\n\n{"file_name": "gone.mp4", "label": 3}'
        )
        test = '{"file_name": "d.mp4", "label": 3}\n'
    add_file(root, f"train/metadata.{ending}", train)
    add_file(root, f"test/metadata.{ending}", test)
    found = indexed(root, "hugging_face", max_missing=0.5)
    assert splits(found) == {
        "train/a.mp4": "train",
        "train/clips/b.mp4": "train",
        "test/d.mp4": "test",
    }
    assert classes(found) == {"train/a.mp4": "3", "train/clips/b.mp4": "12", "test/d.mp4": "3"}
    assert refusals(found) == {"train/gone.mp4": "missing", "train/c.mp4": "not_in_the_table"}


def test_metadata_in_the_root(tmp_path: Path) -> None:
    root = tmp_path / "metadata"
    add_videos(root, ["train/a.mp4", "val/b.mp4", "more/c.mp4", "d.mp4"])
    add_file(
        root,
        "metadata.csv",
        "file_name,action,split,source\ntrain/a.mp4,wave,,x\nval/b.mp4,wave,,y\n"
        "more/c.mp4,bend,test,z\nd.mp4,bend,,z\n",
    )
    columns = {"path": "path", "label": "action", "split": "split", "group": "source"}
    rows = table(root, "hugging_face", columns=columns | {"start": "start", "end": "end"}).rows
    assert [(row.path, row.label, row.split, row.group) for row in rows] == [
        ("d.mp4", "bend", None, "z"),
        ("more/c.mp4", "bend", "test", "z"),
        ("train/a.mp4", "wave", "train", "x"),
        ("val/b.mp4", "wave", "test", "y"),
    ]


def test_metadata_without_labels_leave_them_to_class_folders(tmp_path: Path) -> None:
    root = tmp_path / "captions"
    add_videos(root, ["train/wave/a.mp4", "train/b.mp4", "test/wave/c.mp4"])
    add_file(root, "train/metadata.csv", "file_name,caption\nwave/a.mp4,hello\n")
    found = table(root, "hugging_face")
    assert [(row.path, row.label, row.split) for row in found.rows] == [
        ("test/wave/c.mp4", "wave", "test"),
        ("train/wave/a.mp4", "wave", "train"),
    ]
    add_file(root, "train/metadata.csv", "file_name,caption\nb.mp4,hello\n")
    with pytest.raises(UserError, match=r"(?s)'b\.mp4' has no label.*add the column label"):
        table(root, "hugging_face")


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("train/metadata.csv", "video,label\na.mp4,wave\n", "no column file_name"),
        ("train/metadata.csv", "file_name,label\n../test/d.mp4,wave\n", "points outside"),
        ("train/metadata.jsonl", '{"file_name": "a.mp4"\n', "line 1 is not JSON"),
        ("train/metadata.jsonl", '\n["a.mp4"]\n', "line 2 is not a JSON object"),
        ("train/metadata.jsonl", '{"label": 1}\n', "(?s)no column file_name.*line 1"),
        ("train/metadata.parquet", b"PAR1", "(?s)Parquet is not supported.*metadata.csv"),
        ("trian/wave/a.mp4", b"x", "'trian' is not the name of a split"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, path: str, content: str | bytes, message: str) -> None:
    root = tmp_path / "wrong"
    add_videos(root, ["train/wave/a.mp4", "test/wave/d.mp4"])
    add_file(root, path, content)
    with pytest.raises(UserError, match=message):
        table(root, "hugging_face")


def test_splits_without_classes_are_told_what_is_missing(tmp_path: Path) -> None:
    root = tmp_path / "flat"
    add_videos(root, ["train/a.mp4", "test/d.mp4"])
    with pytest.raises(UserError, match=r"(?s)class folders or a metadata file.*file_name"):
        table(root, "hugging_face")
