"""Lines of telemetry between two evaluations: files are read from their end."""

import json
from pathlib import Path

import pytest

from dvdgan.guard import evaluation_scheduler
from dvdgan.guard.evaluation_scheduler import lines_between


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 20])
def test_lines_are_found_from_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(evaluation_scheduler, "BLOCK_BYTES", block)
    path = tmp_path / "metrics.jsonl"
    assert lines_between(path, 1, 5) == []
    lines = [{"step": step, "x": "y" * (step % 5)} for step in range(1, 31)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 31, "x')
    for first, last in [(1, 30), (1, 3), (30, 30), (29, 99), (12, 17), (40, 50), (31, 31)]:
        expected = [line for line in lines if first <= line["step"] <= last]
        assert lines_between(path, first, last) == expected


def test_a_long_file_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies further back than it must look is no JSON, and does not disturb."""
    monkeypatch.setattr(evaluation_scheduler, "BLOCK_BYTES", 64)
    path = tmp_path / "metrics.jsonl"
    tail = "".join(json.dumps({"step": step}) + "\n" for step in range(90, 101))
    path.write_text("no JSON at all\n" * 1000 + tail)
    assert [line["step"] for line in lines_between(path, 95, 100)] == list(range(95, 101))
