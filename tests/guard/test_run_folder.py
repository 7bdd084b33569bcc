"""Checkpoint folders: whole, damaged, moved aside."""

import json
from pathlib import Path
from typing import Any

import pytest

from dvdgan.guard import ledger
from dvdgan.guard.ledger import ScheduleOverride
from dvdgan.guard.run_folder import RunFolder, latest_valid, verify_checkpoint, write_manifest
from dvdgan.storage.local import sha256_of_file

WEIGHTS = "weights.safetensors"


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Three sealed checkpoints: steps 5, 10 and 20."""
    run = RunFolder(tmp_path)
    for step in (5, 10, 20):
        run.checkpoint(step).mkdir(parents=True)
        (run.checkpoint(step) / WEIGHTS).write_bytes(bytes([step]) * 1000)
        (run.checkpoint(step) / "state.json").write_text("{}")
        write_manifest(run.checkpoint(step))
    return run


def flip_a_bit(file: Path) -> str:
    data = bytearray(file.read_bytes())
    data[500] ^= 1
    file.write_bytes(data)
    return f"{WEIGHTS} does not have the sha256 in manifest.json"


def truncate(file: Path) -> str:
    file.write_bytes(file.read_bytes()[:-1])
    return f"{WEIGHTS} has 999 bytes, not 1000"


def delete(file: Path) -> str:
    file.unlink()
    return f"{WEIGHTS} is missing"


@pytest.mark.parametrize("harm", [flip_a_bit, truncate, delete])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_taken(run, harm) -> None:
    assert latest_valid(run) == (20, [])
    problem = harm(run.checkpoint(20) / WEIGHTS)
    line = f"checkpoint step-00000020 is damaged and skipped: {problem}"
    assert latest_valid(run) == (10, [line])
    harm(run.checkpoint(10) / WEIGHTS)
    harm(run.checkpoint(5) / WEIGHTS)
    step, skipped = latest_valid(run)
    assert step is None
    assert len(skipped) == 3


ENTRY = {"sha256": "0" * 64, "bytes": 1}


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        (b"", "manifest.json is not JSON: JSONDecodeError: Expecting value"),
        (b'{"weights": ', "manifest.json is not JSON: JSONDecodeError: Expecting value"),
        (b"\xff\xfe\x00", "manifest.json is not JSON: UnicodeDecodeError"),
        (b"[" * 100_000, "manifest.json is not JSON: RecursionError"),
        (b"[1, 2]", "manifest.json does not list files"),
        (b"null", "manifest.json does not list files"),
        ({"../x.json": ENTRY}, "'../x.json', which is not a file of this folder"),
        ({"/etc/x.json": ENTRY}, "'/etc/x.json', which is not"),
        ({"a/b.json": ENTRY}, "'a/b.json', which is not"),
        ({"..": ENTRY}, "'..', which is not"),
        ({"": ENTRY}, "'', which is not"),
        ({"manifest.json": ENTRY}, "'manifest.json', which is not"),
        ({"weights.pt": ENTRY}, "weights.pt is neither safetensors nor JSON: refused, because"),
        ({"state.json": "0" * 64}, "no sha256 of state.json"),
        ({"state.json": {"bytes": 1}}, "no sha256 of state.json"),
        ({"state.json": {"sha256": "0" * 64}}, "does not have the bytes of state.json"),
        ({"state.json": {"sha256": "0" * 64, "bytes": "1"}}, "does not have the bytes"),
    ],
)
def test_a_manifest_that_is_none_is_refused(run: RunFolder, manifest: Any, problem: str) -> None:
    data = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    (run.checkpoint(20) / "manifest.json").write_bytes(data)
    assert problem in (verify_checkpoint(run.checkpoint(20)) or "")
    assert latest_valid(run)[0] == 10


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (
            "weights.pt",
            "weights.pt is neither safetensors nor JSON: refused, because other formats",
        ),
        ("weights", "weights is neither safetensors nor JSON"),
        ("state.json.pkl", "state.json.pkl is neither"),
        ("more.safetensors", "more.safetensors is not in manifest.json: refused"),
        (".hidden.json", ".hidden.json is not in manifest.json: refused"),
    ],
)
def test_a_file_that_does_not_belong_is_refused_by_name(
    run: RunFolder, name: str, problem: str
) -> None:
    (run.checkpoint(20) / name).write_bytes(b"{}")
    assert problem in (verify_checkpoint(run.checkpoint(20)) or "")
    assert latest_valid(run)[0] == 10


def test_sealing_does_not_make_a_foreign_file_welcome(run: RunFolder) -> None:
    (run.checkpoint(20) / "weights.pt").write_bytes(b"{}")
    write_manifest(run.checkpoint(20))
    assert "weights.pt is neither" in (verify_checkpoint(run.checkpoint(20)) or "")


def test_a_folder_in_place_of_a_file_is_told_of(run: RunFolder) -> None:
    delete(run.checkpoint(20) / WEIGHTS)
    (run.checkpoint(20) / WEIGHTS).mkdir()
    assert verify_checkpoint(run.checkpoint(20)) == f"{WEIGHTS} is missing"


def test_a_checkpoint_without_a_manifest_was_never_finished(run: RunFolder) -> None:
    (run.checkpoint(20) / "manifest.json").unlink()
    assert run.saved_steps() == [5, 10]
    assert latest_valid(run) == (10, [])
    assert verify_checkpoint(run.checkpoint(20)) is not None


def test_later_checkpoints_are_moved_aside_and_kept(run: RunFolder) -> None:
    before = sha256_of_file(run.checkpoint(20) / WEIGHTS)
    run.move_aside(after=5, restart_index=0)
    assert run.saved_steps() == [5]
    aside = run.collapsed / "0"
    assert sorted(path.name for path in aside.iterdir()) == ["step-00000010", "step-00000020"]
    assert sha256_of_file(aside / "step-00000020" / WEIGHTS) == before


def test_the_course_is_remembered(run: RunFolder) -> None:
    assert run.schedule_override() == ScheduleOverride(0, 1.0)
    first = run.evaluation(10)
    event = {"event": "rolled_back", "to_step": 5, "reasons": [], "restart_index": 2}
    ledger.append(run.ledger, event | {"learning_rate_scale": 0.25, "added_discriminator_steps": 1})
    assert RunFolder(run.root).schedule_override() == ScheduleOverride(2, 0.25, 1)
    assert run.evaluation(10) != first
