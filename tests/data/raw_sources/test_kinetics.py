"""`kinetics`: the authors' CSVs, and what the usual downloaders leave."""

from pathlib import Path

import pytest
from imitations import add_file, add_videos, classes, indexed, refusals, splits, table

from dvdgan.errors import UserError

TRAIN = """label,youtube_id,time_start,time_end,split,is_cc
air drumming,---0dWlqevI,19,29,train,0
"massaging person's head",-4wsuPCjDBc,5,15,train,0
air drumming,Gone_-42abc,0,10,train,0
archery,a_B-c_d0123,120,130,train,1
"""
VALIDATE = """label,youtube_id,time_start,time_end,split
archery,--65_UAU7ao,0,10,validate
air drumming,VALdead00ab,7,17,validate
"""
TEST = """youtube_id,time_start,time_end,split
--6zxbYq5M4,39,49,test
"""


def annotate(root: Path, folder: str = "", validate: str = "validate.csv") -> None:
    add_file(root, f"{folder}train.csv", TRAIN)
    add_file(root, f"{folder}{validate}", VALIDATE)
    add_file(root, f"{folder}test.csv", TEST)


def test_class_folders_of_splits(tmp_path: Path) -> None:
    root = tmp_path / "kinetics600"
    annotate(root)
    add_videos(
        root,
        [
            "train/air_drumming/---0dWlqevI_000019_000029.mp4",
            "train/massaging person's head/-4wsuPCjDBc_000005_000015.webm",
            "train/archery/a_B-c_d0123_000120_000130.mkv",
            "train/archery/notInTheCsv_000001_000011.mp4",
            "val/archery/--65_UAU7ao_000000_000010.mp4",
            "test/--6zxbYq5M4_000039_000049.mp4",
        ],
    )
    add_file(root, "train/archery/a_B-c_d0123_000120_000130.info.json", "{}")
    add_file(root, "train/archery/a_B-c_d0123_000120_000130.txt", "subtitles")
    found = indexed(root, "kinetics", max_missing=1.0)
    assert splits(found) == {
        "train/air_drumming/---0dWlqevI_000019_000029.mp4": "train",
        "train/massaging person's head/-4wsuPCjDBc_000005_000015.webm": "train",
        "train/archery/a_B-c_d0123_000120_000130.mkv": "train",
        "val/archery/--65_UAU7ao_000000_000010.mp4": "test",
    }
    assert sorted(classes(found).values()) == [
        "air drumming",
        "archery",
        "archery",
        "massaging person's head",
    ]
    assert {row["group"] for row in found.videos} == {
        "---0dWlqevI",
        "-4wsuPCjDBc",
        "a_B-c_d0123",
        "--65_UAU7ao",
    }
    assert refusals(found) == {
        "train/air drumming/Gone_-42abc_000000_000010.mp4": "missing",
        "validate/air drumming/VALdead00ab_000007_000017.mp4": "missing",
        "train/archery/notInTheCsv_000001_000011.mp4": "not_in_the_table",
        "train/archery/a_B-c_d0123_000120_000130.info.json": "not_in_the_table",
        "train/archery/a_B-c_d0123_000120_000130.txt": "not_in_the_table",
        "test/--6zxbYq5M4_000039_000049.mp4": "not_in_the_table",
    }
    assert found.notes == ["rows of the CSVs without a label, which are not used: 1"]


def test_the_folders_of_cvdf_flat_by_split(tmp_path: Path) -> None:
    root = tmp_path / "k400"
    annotate(root, "annotations/", "val.csv")
    add_file(root, "readme.md", "# Kinetics")
    add_file(root, "annotations/kinetics_400_labels.csv", "id,name\n0,abseiling\n")
    add_videos(
        root,
        [
            "train/---0dWlqevI_000019_000029.mp4",
            "train/a_B-c_d0123_000120_000130.mp4",
            "val/--65_UAU7ao_000000_000010.mp4",
            "replacement/replacement_for_corrupted_k400/a_B-c_d0123_000120_000130.mp4",
        ],
    )
    found = table(root, "kinetics")
    assert {row.path: (row.label, row.split) for row in found.rows if "drum" not in row.path} == {
        "train/---0dWlqevI_000019_000029.mp4": ("air drumming", "train"),
        "val/--65_UAU7ao_000000_000010.mp4": ("archery", "test"),
        "replacement/replacement_for_corrupted_k400/a_B-c_d0123_000120_000130.mp4": (
            "archery",
            "train",
        ),
        "train/massaging person's head/-4wsuPCjDBc_000005_000015.mp4": (
            "massaging person's head",
            "train",
        ),
    }


def test_whole_videos_are_cut_as_their_rows_say(tmp_path: Path) -> None:
    root = tmp_path / "whole"
    add_file(
        root,
        "kinetics-400_train.csv",
        "label,youtube_id,time_start,time_end,split\n"
        "archery,a_B-c_d0123,1,3,train\nair drumming,a_B-c_d0123,4.0,6.0,train\n",
    )
    add_file(
        root,
        "kinetics-400_val.csv",
        "label,youtube_id,time_start,time_end\narchery,--65_UAU7ao,0,2\n",
    )
    add_videos(root, ["videos/a_B-c_d0123.mp4", "videos/--65_UAU7ao.mkv"], frames=40)  # 8 s
    found = indexed(root, "kinetics")
    assert [
        (row["path"], row["start"], row["end"], row["frames"], row["class"], row["split"])
        for row in found.videos
    ] == [
        ("videos/--65_UAU7ao.mkv", 0, 2, 10, "archery", "test"),
        ("videos/a_B-c_d0123.mp4", 1, 3, 10, "archery", "train"),
        ("videos/a_B-c_d0123.mp4", 4, 6, 10, "air drumming", "train"),
    ]


def test_a_video_in_train_and_val_stays_there_and_is_told(tmp_path: Path) -> None:
    root = tmp_path / "leak"
    rows = "label,youtube_id,time_start,time_end,split\n"
    add_file(
        root, "train.csv", rows + "archery,leak0000000,0,10,train\nski,b0000000000,0,10,train\n"
    )
    add_file(root, "val.csv", rows + "archery,leak0000000,20,30,val\nski,c0000000000,0,10,val\n")
    clips = ["train/leak0000000_000000_000010.mp4", "val/leak0000000_000020_000030.mp4"]
    add_videos(root, [*clips, "train/b0000000000_000000_000010.mp4"])
    add_videos(root / "val", ["c0000000000_000000_000010.mp4"], frames=7)
    found = indexed(root, "kinetics")
    assert [splits(found)[clip] for clip in clips] == ["train", "test"]
    [note] = found.notes
    assert note.startswith("index.source assigns the videos of 1 of 3 groups to both splits")


def test_a_clip_of_two_tables_is_held_out(tmp_path: Path) -> None:
    root = tmp_path / "same"
    rows = "label,youtube_id,time_start,time_end,split\narchery,same0000000,0,10,"
    add_file(root, "train.csv", rows + "train\narchery,same0000000,0,10,train\n")
    add_file(root, "validate.csv", rows + "validate\n")
    add_videos(root, ["clips/same0000000_000000_000010.mp4"])
    found = table(root, "kinetics")
    assert [(row.path, row.split) for row in found.rows] == [
        ("clips/same0000000_000000_000010.mp4", "test")
    ]
    [note] = found.notes
    assert note.startswith("rows of the CSVs with the same clip as another row: 2;")
    add_videos(root, ["train/archery/same0000000_000000_000010.mp4"])
    assert {row.path: row.split for row in table(root, "kinetics").rows} == {
        "clips/same0000000_000000_000010.mp4": "test",
        "train/archery/same0000000_000000_000010.mp4": "train",
    }


def test_a_clip_goes_before_a_whole_video_and_a_sidecar_is_no_video(tmp_path: Path) -> None:
    root = tmp_path / "mixed"
    rows = "label,youtube_id,time_start,time_end,split\n"
    ids = ["both_000000", "unpadded_00", "sidecar_000"]
    add_file(root, "train.csv", rows + "".join(f"ski,{name},7,17,train\n" for name in ids))
    clips = ["train/both_000000_000007_000017.mp4", "train/unpadded_00_7_17.mkv"]
    add_videos(root, ["both_000000.mp4", *clips])
    add_file(root, "train/sidecar_000_000007_000017.json", "{}")
    assert [(row.path, row.start) for row in table(root, "kinetics").rows] == [
        ("train/both_000000_000007_000017.mp4", None),
        ("train/ski/sidecar_000_000007_000017.mp4", None),  # where it would be
        ("train/unpadded_00_7_17.mkv", None),
    ]


def test_an_empty_file_is_refused_as_such_and_not_missing(tmp_path: Path) -> None:
    root = tmp_path / "dead"
    annotate(root)
    add_videos(root, ["val/archery/--65_UAU7ao_000000_000010.mp4"])
    add_file(root, "train/archery/a_B-c_d0123_000120_000130.mp4", b"")
    found = indexed(root, "kinetics", max_missing=1.0)
    assert refusals(found)["train/archery/a_B-c_d0123_000120_000130.mp4"] == "empty_file"
    assert not [each for each in found.refused if each.reason == "missing" and "a_B" in each.path]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("label,youtube_id,split\n", "no column time_start and no column time_end"),
        ("path,label\ntrain/a.mp4,ski\n", "no column youtube_id"),
        ("label,youtube_id,time_start,time_end,split\nski,,0,10,train\n", "youtube_id is empty"),
        ("label,youtube_id,time_start,time_end,split\nski,x,0,10,trian\n", "'trian' is not the"),
        ("label,youtube_id,time_start,time_end,split\nski,x,a,10,train\n", "'a' is not a time"),
        ("label,youtube_id,time_start,time_end,split\nski,x,9,5,train\n", "ends at 5 s"),
    ],
)
def test_mistakes_in_a_table_are_named(tmp_path: Path, content: str, message: str) -> None:
    root = tmp_path / "wrong"
    add_file(root, "train.csv", content)
    add_videos(root, ["train/ski/xxxxxxxxxxx_000000_000010.mp4"])
    with pytest.raises(UserError, match=message) as caught:
        table(root, "kinetics")
    assert f"{root}/train.csv" in str(caught.value)


def test_other_folders_are_named(tmp_path: Path) -> None:
    root = tmp_path / "plain"
    add_videos(root, ["ski/a.mp4", "archery/b.mp4"])
    with pytest.raises(
        UserError, match=r"(?s)but like class_folders.*index\.source: class_folders"
    ):
        table(root, "kinetics")
    flat = tmp_path / "flat"
    add_videos(flat, ["a.mp4"])
    with pytest.raises(UserError, match=r"train.csv, validate.csv and test.csv are missing"):
        table(flat, "kinetics")
