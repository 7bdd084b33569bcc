"""The report stage reads lines of JSON, tables and the environment."""

from dvdgan.guard import ledger
from dvdgan.stages.report import environment, read_table


def test_records_and_missing_files(tmp_path):
    (tmp_path / "ledger.jsonl").write_text('{"step": 1}\n\n{"step": 2}\n')
    assert ledger.read_records(tmp_path / "ledger.jsonl") == [{"step": 1}, {"step": 2}]
    assert ledger.read_records(tmp_path / "none.jsonl") == []


def test_awkward_names_survive_the_table(tmp_path):
    text = 'path,reason,detail\r\n"a,b\n""c"".mp4",not_a_video,d\r\n'
    (tmp_path / "refused.csv").write_bytes(text.encode() + b"\xff.mp4,empty,e\r\n")
    rows = read_table(tmp_path / "refused.csv")
    assert [row["path"] for row in rows] == ['a,b\n"c".mp4', "\\xff.mp4"]
    assert rows[0]["reason"] == "not_a_video"


def test_the_environment_is_the_same_twice_and_names_torch():
    import torch

    assert environment() == environment()
    assert environment()["torch"] == torch.__version__
