"""Results at a path that the user gives: only what was written before, unchanged, is replaced."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dvdgan.errors import UserError
from dvdgan.storage.local import read_json, write_json
from dvdgan.storage.output import (
    RECORD,
    check_output_file,
    check_output_folder,
    output_folder,
    users_files,
    write_output,
)


def fill(folder: Path, text: str = "made") -> None:
    with output_folder(folder) as aside:
        (aside / "deep").mkdir()
        (aside / "deep" / "result").write_text(text)
        (aside / "table.csv").write_text(text)


def test_an_output_replaces_an_earlier_one_and_nothing_of_it_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with output_folder(out) as aside:
        (aside / "of the first").write_text("old")
    fill(out)
    assert sorted(path.name for path in out.iterdir()) == [RECORD, "deep", "table.csv"]
    fill(out, "again")
    assert (out / "table.csv").read_text() == "again"
    assert users_files(out) == []


def test_equal_files_give_equal_records(tmp_path: Path) -> None:
    for name in ("one", "other"):
        fill(tmp_path / name)
    assert (tmp_path / "one" / RECORD).read_bytes() == (tmp_path / "other" / RECORD).read_bytes()


CHANGES: dict[str, Callable[[Path], object]] = {
    "thesis.tex": lambda out: (out / "thesis.tex").write_text("years"),
    ".hidden": lambda out: (out / ".hidden").write_text("years"),
    "deep/thesis.tex": lambda out: (out / "deep" / "thesis.tex").write_text("years"),
    "table.csv": lambda out: (out / "table.csv").write_text("made by hand"),
    "empty": lambda out: (out / "empty").mkdir(),
    "link": lambda out: (out / "link").symlink_to("/nowhere"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_added_or_changed_is_named_and_kept(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    fill(out)
    CHANGES[name](out)
    assert users_files(out) == [name]
    with pytest.raises(UserError, match=f"changed since: {name}\n"):
        fill(out, "again")
    assert users_files(out) == [name]
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    "record", ["", "[]", '{"files": []}', '{"files": {"table.csv": 1}}', "[" * 10_000]
)
def test_a_record_that_is_not_one_lists_nothing(tmp_path: Path, record: str) -> None:
    fill(tmp_path)
    (tmp_path / RECORD).write_text(record)
    with pytest.raises(UserError, match=r"deep/result, table\.csv"):
        check_output_folder(tmp_path)


def test_a_file_put_there_during_the_work_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(UserError, match="mine"), output_folder(out) as aside:
        (aside / "result").write_text("made")
        out.mkdir()
        (out / "mine").write_text("years")
    assert list(out.iterdir()) == [out / "mine"]


def test_a_json_result_is_replaced_until_somebody_changes_it(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_output(path, {"FVD": 1.5, "of": {10: "a", 9: "b"}})
    write_output(path, {"FVD": 2.5, "of": {10: "a", 9: "b"}})
    document = read_json(path)
    assert document["FVD"] == 2.5
    write_json(path, document)  # another program's spaces change nothing
    check_output_file(path)
    write_json(path, document | {"FVD": 0.1})
    with pytest.raises(UserError, match="changed since"):
        write_output(path, {"FVD": 3.5})
    assert read_json(path)["FVD"] == 0.1


@pytest.mark.parametrize("content", ["", "thesis", "[1]", "null", '{"a": 1}', '{"sha256": "0"}'])
def test_a_file_of_another_program_is_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(content)
    with pytest.raises(UserError, match="did not write"):
        check_output_file(path)


def test_a_name_that_is_not_utf_8_can_be_written(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    with output_folder(tmp_path / name) as aside:
        (aside / name).write_text("made")
    assert users_files(tmp_path / name) == []
    write_output(tmp_path / "out.json", {"source": name})
    assert read_json(tmp_path / "out.json")["source"] == name
    write_output(tmp_path / "out.json", {"source": name})
