"""`dvdgan train` with a mirror: a new machine goes on where the lost one was."""

import shutil
import signal
import time
from pathlib import Path

import pytest
from test_train_stage import EVERY, Tree, artefacts, processes_in, run_folder, start, tree

from dvdgan.guard.run_folder import RunFolder
from dvdgan.stages.artefacts import TRAIN
from dvdgan.storage.local import sha256_of_tree

__all__ = ["artefacts", "tree"]  # fixtures


def test_a_new_machine_ends_as_the_lost_one_would_have(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    unbroken, lost = tree("unbroken"), tree("lost")
    assert start(unbroken, "dvdgan", "train").wait(300) == 0

    monkeypatch.setenv("DVDGAN_MIRROR", str(tmp_path / "store"))
    process = start(lost, "dvdgan", "train")
    run = run_folder(lost)
    copied = RunFolder(tmp_path / "store" / run.root.name)
    try:
        while EVERY not in copied.saved_steps() or not copied.ledger.exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    while processes_in(lost):  # the trainer was told, and saves once more
        time.sleep(0.05)
    shutil.rmtree(lost / ".runs")
    assert start(lost, "dvdgan", "train").wait(300) == 0
    assert "mirror: restored step" in capfd.readouterr().err
    assert sha256_of_tree(lost / TRAIN, "*.*") == sha256_of_tree(unbroken / TRAIN, "*.*")
    assert copied.ledger.read_bytes() == run.ledger.read_bytes()
    assert copied.saved_steps() == run.saved_steps()
