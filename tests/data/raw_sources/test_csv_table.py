"""`csv`: any folder, and one table that names its videos."""

import unicodedata
from pathlib import Path

import pytest
from imitations import add_file, add_videos, classes, indexed, refusals, splits, table
from raw_index import section

from dvdgan.data.indexing import check
from dvdgan.errors import UserError

HEADER = "path,label,split,group,start,end\n"
ODD = ["-dash.mp4", "two words.mp4", "q\"uo'te.mp4", "new\nline.mp4", "comma, dot.mp4", "öäß.mp4"]


def test_rows_name_videos_splits_and_groups(tmp_path: Path) -> None:
    root = tmp_path / "flat"
    add_videos(root, ["a.mp4", "deep/er/b.webm", "c.mp4", "d.mp4", "stray.mp4"])
    add_file(root, "notes.txt", "no video")
    add_file(root, "broken.mp4", "no video")
    add_file(
        root,
        "table.csv",
        HEADER
        + "a.mp4,wave,train,ann,,\ndeep/er/b.webm,wave,val,bob,,\n./c.mp4,bend,Training,cem,,\n"
        "d.mp4,bend,test,dee,,\nbroken.mp4,bend,train,,,\ngone.mp4,bend,train,,,\n",
    )
    found = indexed(root, "csv", table="table.csv")
    assert splits(found) == {
        "a.mp4": "train",
        "c.mp4": "train",
        "d.mp4": "test",
        "deep/er/b.webm": "test",
    }
    assert classes(found) == {
        "a.mp4": "wave",
        "c.mp4": "bend",
        "d.mp4": "bend",
        "deep/er/b.webm": "wave",
    }
    assert refusals(found) == {
        "broken.mp4": "not_a_video",
        "gone.mp4": "missing",
        "notes.txt": "not_in_the_table",
        "stray.mp4": "not_in_the_table",
    }
    assert found.notes == []


def test_ranges_of_one_file_are_clips_of_one_group(tmp_path: Path) -> None:
    root = tmp_path / "long"
    add_videos(root, ["a.mp4", "b.mp4"], frames=20)  # 4 s
    add_file(
        root,
        "table.csv",
        HEADER
        + "a.mp4,wave,,,,1.2\na.mp4,bend,,other,1.2,2.4\na.mp4,wave,,,2.4,\nb.mp4,wave,,,,\n",
    )
    found = indexed(root, "csv", table="table.csv", test_fraction=0.5)
    rows = found.videos
    assert [(row["path"], row["class"], row["frames"]) for row in rows] == [
        ("a.mp4", "wave", 6),
        ("a.mp4", "bend", 6),
        ("a.mp4", "wave", 8),
        ("b.mp4", "wave", 20),
    ]
    assert len({row["id"] for row in rows}) == 4
    assert len({row["group"] for row in rows[:3]}) == 1 != len({row["group"] for row in rows})
    assert len({row["split"] for row in rows[:3]}) == 1
    assert [row["duplicate_of"] for row in rows] == [None] * 4


def test_names_may_be_odd(tmp_path: Path) -> None:
    root = tmp_path / "odd"
    decomposed = unicodedata.normalize("NFD", "öäß.mp4")
    add_videos(root, [*ODD[:-1], decomposed])
    rows = "".join('"' + name.replace('"', '""') + '",x,train,,,\r\n' for name in ODD)
    text = "\N{BYTE ORDER MARK}" + HEADER.replace("\n", "\r\n") + rows
    add_file(root, "table.csv", text)
    found = table(root, "csv", table="table.csv")
    assert {row.path for row in found.rows} == {*ODD[:-1], decomposed}
    assert (found.refused, found.notes) == ([], [])


def test_columns_have_the_names_of_the_params(tmp_path: Path) -> None:
    root = tmp_path / "named"
    add_videos(root, ["a.mp4"])
    add_file(root, "t/able.csv", "Datei,Klasse,Menge\na.mp4,wave,val\n")
    columns = {
        "path": "Datei",
        "label": "Klasse",
        "split": "Menge",
        "group": "group",
        "start": "start",
        "end": "end",
    }
    [row] = table(root, "csv", table="t/able.csv", columns=columns).rows
    assert (row.path, row.label, row.split) == ("a.mp4", "wave", "test")
    with pytest.raises(UserError, match="no column Gruppe") as caught:
        table(root, "csv", table="t/able.csv", columns=columns | {"group": "Gruppe"})
    assert "Datei, Klasse, Menge" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,class\na.mp4,wave\n", "no column label.*its columns: path, class.*index.columns"),
        ("path;label\na.mp4;wave\n", "no column path and no column label.*path;label"),
        ("\n", "no column path and no column label.*none"),
        ("path,label\n", "has no rows"),
        ("path,label\na.mp4,\n", "column label is empty.*line 2"),
        ("path,label\n,wave\n", "column path is empty.*line 2"),
        ('path,label\na.mp4,"two\nlines"\na.mp4\n', "line 4 does not have 2 values"),
        ("path,label\na.mp4,wave,1\n", "line 2 does not have 2 values"),
        ("path,label\n/data/a.mp4,wave\n", "'/data/a.mp4' points outside.*line 2.*relative"),
        ("path,label\n../a.mp4,wave\n", "points outside index.root"),
        ("path,label,split\na.mp4,wave,trian\n", "'trian' is not the name of a split.*line 2"),
        ("path,label,start\na.mp4,wave,soon\n", "'soon' is not a time in seconds.*line 2"),
        ("path,label,start,end\na.mp4,wave,4,3\n", "ends at 3 s, but starts at 4 s.*line 2"),
        ("path,label,end\na.mp4,wave,0\n", "ends at 0 s, but starts at 0 s"),
        ("path,label\na.mp4,wave\na.mp4,bend\n", "for 'a.mp4' differ.*'wave'.*'bend'"),
        ("path,label,split\na.mp4,wave,val\n./a.mp4,wave,train\n", "differ.*'test'.*'train'"),
        ("path,label\na.mp4,J\ufb01g\n".encode("utf-16"), "cannot be read.*UTF-8 text"),
        ("path,label\na.mp4,d\xe9j\xe0\n".encode("latin-1"), "cannot be read.*UTF-8 text"),
    ],
)
def test_mistakes_in_the_table_are_named(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    root = tmp_path / "wrong"
    add_videos(root, ["a.mp4"])
    add_file(root, "table.csv", content)
    with pytest.raises(UserError, match=f"(?s){message}") as caught:
        table(root, "csv", table="table.csv")
    assert f"{root}/table.csv" in str(caught.value)


def test_a_table_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    root = tmp_path / "flat"
    add_videos(root, ["a.mp4"])
    add_file(root, "videos.csv", "path,label\n")
    with pytest.raises(
        UserError, match=r"(?s)no table 'table.csv'; there: 'videos.csv'.*index.tab"
    ):
        table(root, "csv", table="table.csv")
    add_file(root, "empty.csv", "")
    with pytest.raises(UserError, match=r"'empty.csv' cannot be read: 0 bytes"):
        table(root, "csv", table="empty.csv")
    with pytest.raises(UserError, match=r"index.table is not set"):
        table(root, "csv")
    with pytest.raises(UserError, match=r"(?s)but like csv.*index.source: csv"):
        table(root, "class_folders")


def test_a_row_that_stands_there_twice_is_one_video(tmp_path: Path) -> None:
    root = tmp_path / "twice"
    add_videos(root, ["a.mp4"])
    add_file(root, "table.csv", "path,label\na.mp4,wave\na.mp4,wave\n./a.mp4,wave\n")
    found = table(root, "csv", table="table.csv")
    assert [row.path for row in found.rows] == ["a.mp4"]
    assert found.notes == [f"duplicate rows of {root}/table.csv, which are ignored: 2"]


@pytest.mark.parametrize("twin", ["Wave", "wave ", "WAVE"])
def test_classes_that_are_one_name_are_refused(tmp_path: Path, twin: str) -> None:
    root = tmp_path / "twins"
    add_videos(root, ["a.mp4", "b.mp4"])
    add_file(root, "table.csv", f"path,label\na.mp4,wave\nb.mp4,{twin}\n")
    with pytest.raises(UserError, match="are different spellings of one name"):
        indexed(root, "csv", table="table.csv")


def test_splits_that_leak_and_classes_never_trained_are_told(tmp_path: Path) -> None:
    root = tmp_path / "leaks"
    add_videos(root, ["a.mp4", "b.mp4", "c.mp4", "d.mp4"])
    add_file(root, "copy.mp4", (root / "d.mp4").read_bytes())
    add_file(
        root,
        "table.csv",
        HEADER
        + "a.mp4,wave,train,ann,,\nb.mp4,wave,test,ann,,\nc.mp4,jump,val,,,\nd.mp4,wave,train,,,\n"
        "copy.mp4,wave,val,,,\n",
    )
    found = indexed(root, "csv", table="table.csv")
    assert splits(found)["b.mp4"] == "test"
    leak, untrained = found.notes
    assert leak.startswith("index.source assigns the videos of 2 of 3 groups to both splits")
    assert untrained.startswith("1 of 2 classes have no training video ('jump')")


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        ("a.mp4,x,train\nb.mp4,x,train\n", {}, "the test split is empty: there are 2 videos"),
        ("a.mp4,x,train\nb.mp4,x,train\n", {"test_fraction": 0.0}, None),
        ("a.mp4,x,val\nb.mp4,x,test\n", {}, "the train split is empty"),
        ("a.mp4,x,val\nb.mp4,x,test\n", {"test_fraction": 0.0}, "the train split is empty"),
        ("a.mp4,x,train\nb.mp4,x,test\nc.mp4,x,\n", {}, "1 of 3 videos in a table do not exist"),
        ("a.mp4,x,train\nb.mp4,x,test\nc.mp4,x,\n", {"max_missing": 0.4}, None),
    ],
)
def test_splits_and_rows_without_videos_stop_the_stage(
    tmp_path: Path, rows: str, changes: dict[str, float], message: str | None
) -> None:
    root = tmp_path / "root"
    add_videos(root, ["a.mp4", "b.mp4"])
    add_file(root, "table.csv", "path,label,split\n" + rows)
    found = indexed(root, "csv", table="table.csv", **changes)
    index = section(root, source="csv", table="table.csv", **changes)
    if message is None:
        check(found, index, tmp_path / "refused.csv")
    else:
        with pytest.raises(UserError, match=message):
            check(found, index, tmp_path / "refused.csv")
