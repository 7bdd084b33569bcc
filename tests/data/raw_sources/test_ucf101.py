"""`ucf101`: class folders, and the authors' lists."""

from pathlib import Path

import pytest
from imitations import add_file, add_videos, classes, indexed, refusals, splits, table

from dvdgan.errors import UserError

CLASSES = ["Hammering", "HammerThrow", "HandstandPushups"]  # in the order of classInd.txt
LISTS = "ucfTrainTestlist"


def video(name: str, group: int, clip: int) -> str:
    written = "HandStandPushups" if name == "HandstandPushups" else name  # as published
    return f"{name}/v_{written}_g{group:02d}_c{clip:02d}.avi"


ALL = [video(name, group, clip) for name in CLASSES for group in (1, 2, 3, 4) for clip in (1, 2)]


def held_out(path: str, number: int) -> bool:
    return f"_g{number:02d}_" in path


def imitate(root: Path, folder: str, lists: str = LISTS) -> None:
    add_videos(root, [folder + path for path in ALL])
    index = "".join(f"{number} {name}\r\n" for number, name in enumerate(CLASSES, start=1))
    add_file(root, f"{lists}/classInd.txt", index)
    for number in (1, 2, 3):
        train = [path for path in ALL if not held_out(path, number)]
        test = [path for path in ALL if held_out(path, number)]
        lines = (f"{path} {CLASSES.index(path.split('/')[0]) + 1}\r\n" for path in train)
        add_file(root, f"{lists}/trainlist0{number}.txt", "".join(lines))
        add_file(root, f"{lists}/testlist0{number}.txt", "\r\n".join(test))


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("folder", ["UCF-101/", ""])
def test_the_official_split_is_taken(tmp_path: Path, folder: str, number: int) -> None:
    root = tmp_path / "ucf101"
    imitate(root, folder)
    found = table(root, "ucf101", split_list=number)
    assert {row.path: row.split for row in found.rows} == {
        folder + path: "test" if held_out(path, number) else "train" for path in ALL
    }
    assert all(row.path == f"{folder}{row.label}/{Path(row.path).name}" for row in found.rows)
    assert (found.refused, found.notes) == ([], [])


def test_groups_labels_and_what_the_lists_leave_out(tmp_path: Path) -> None:
    root = tmp_path / "ucf101"
    imitate(root, "UCF-101/")
    add_videos(root / "UCF-101", ["Hammering/v_Hammering_g25_c01.avi"], frames=9)
    (root / "UCF-101" / ALL[0]).unlink()
    found = indexed(root, "ucf101", max_missing=0.1)
    assert splits(found) == {
        f"UCF-101/{path}": "test" if held_out(path, 1) else "train" for path in ALL[1:]
    }
    assert classes(found) == {f"UCF-101/{path}": path.split("/")[0] for path in ALL[1:]}
    assert len({row["group"] for row in found.videos}) == len(CLASSES) * 4
    assert refusals(found) == {
        ALL[0]: "missing",
        "UCF-101/Hammering/v_Hammering_g25_c01.avi": "not_in_the_table",
    }
    labels = {row["class"]: row["label"] for row in found.videos}
    assert sorted(labels, key=labels.__getitem__) == sorted(CLASSES)
    assert found.notes == []


def test_other_endings_are_the_same_videos(tmp_path: Path) -> None:
    root = tmp_path / "ucf101"
    imitate(root, "videos/", lists="annotations")
    for file in root.glob("videos/*/*.avi"):
        file.rename(file.with_suffix(".mp4"))
    found = table(root, "ucf101")
    assert {row.path for row in found.rows} == {
        f"videos/{path.removesuffix('.avi')}.mp4" for path in ALL
    }


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("trainlist01.txt", "Hammering/v_Hammering_g02_c01.avi 2\n", "Hammering is number 1"),
        ("trainlist01.txt", "Ski/v_Ski_g02_c01.avi 4\n", "Ski is number none"),
        ("trainlist01.txt", "\n\nv_Hammering_g02_c01.avi 1\n", "is not <class>/v_.*line 3"),
        ("testlist01.txt", "<html>\n", "is not <class>/v_.*line 1"),
        ("testlist01.txt", "Hammering/v_Hammering_g02_c01.avi\n", "differ.*'train'.*'test'"),
        ("classInd.txt", "1 Ham mering\n", "not a number and a class"),
    ],
)
def test_mistakes_in_the_lists_are_named(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    root = tmp_path / "ucf101"
    imitate(root, "UCF-101/")
    add_file(root, f"{LISTS}/{name}", content)
    with pytest.raises(UserError, match=f"(?s){message}") as caught:
        table(root, "ucf101")
    assert name in str(caught.value)


def test_lists_that_are_not_there_are_named(tmp_path: Path) -> None:
    root = tmp_path / "ucf101"
    imitate(root, "UCF-101/")
    (root / LISTS / "testlist02.txt").unlink()
    with pytest.raises(UserError, match=r"testlist02\.txt is missing"):
        table(root, "ucf101", split_list=2)
    with pytest.raises(UserError, match=r"(?s)but like ucf101.*index\.source: ucf101"):
        table(root, "class_folders")
