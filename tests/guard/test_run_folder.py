"""Checkpoint folders: whole, damaged, moved aside."""

from pathlib import Path

import pytest

from dvdgan.guard import ledger
from dvdgan.guard.ledger import Course
from dvdgan.guard.run_folder import RunFolder, damage, newest_whole, seal
from dvdgan.storage.local import sha256_of_file


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Three sealed checkpoints: steps 5, 10 and 20."""
    run = RunFolder(tmp_path)
    for step in (5, 10, 20):
        run.checkpoint(step).mkdir(parents=True)
        (run.checkpoint(step) / "weights").write_bytes(bytes([step]) * 1000)
        (run.checkpoint(step) / "state.json").write_text("{}")
        seal(run.checkpoint(step))
    return run


def flip_a_bit(file: Path) -> str:
    data = bytearray(file.read_bytes())
    data[500] ^= 1
    file.write_bytes(data)
    return "weights does not have the sha256 in manifest.json"


def truncate(file: Path) -> str:
    file.write_bytes(file.read_bytes()[:-1])
    return "weights has 999 bytes, not 1000"


def delete(file: Path) -> str:
    file.unlink()
    return "weights is missing"


@pytest.mark.parametrize("harm", [flip_a_bit, truncate, delete])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_taken(run, harm) -> None:
    assert newest_whole(run) == (20, [])
    problem = harm(run.checkpoint(20) / "weights")
    line = f"checkpoint step-00000020 is damaged and skipped: {problem}"
    assert newest_whole(run) == (10, [line])
    harm(run.checkpoint(10) / "weights")
    harm(run.checkpoint(5) / "weights")
    step, skipped = newest_whole(run)
    assert step is None
    assert len(skipped) == 3


def test_a_manifest_that_is_no_json_is_damage(run: RunFolder) -> None:
    (run.checkpoint(20) / "manifest.json").write_text('{"weights": ')
    assert "manifest.json" in (damage(run.checkpoint(20)) or "")
    assert newest_whole(run)[0] == 10


def test_a_checkpoint_without_a_manifest_was_never_finished(run: RunFolder) -> None:
    (run.checkpoint(20) / "manifest.json").unlink()
    assert run.saved_steps() == [5, 10]
    assert newest_whole(run) == (10, [])
    assert damage(run.checkpoint(20)) is not None


def test_later_checkpoints_are_moved_aside_and_kept(run: RunFolder) -> None:
    before = sha256_of_file(run.checkpoint(20) / "weights")
    run.move_aside(after=5, attempt=0)
    assert run.saved_steps() == [5]
    aside = run.collapsed / "0"
    assert sorted(path.name for path in aside.iterdir()) == ["step-00000010", "step-00000020"]
    assert sha256_of_file(aside / "step-00000020" / "weights") == before


def test_the_course_is_remembered(run: RunFolder) -> None:
    assert run.course() == Course(0, 1.0)
    first = run.evaluation(10)
    event = {"event": "rolled_back", "to_step": 5, "reasons": [], "attempt": 2}
    ledger.append(run.ledger, event | {"learning_rate_scale": 0.25})
    assert RunFolder(run.root).course() == Course(2, 0.25)
    assert run.evaluation(10) != first
