"""The log of a resumed run is the log of an unbroken one."""

from pathlib import Path

from dvdgan.training.telemetry import LineLog


def test_steps_that_are_done_again_are_forgotten_first(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = LineLog(path, 0)
    for step in range(1, 6):
        log.write(step, {"loss": step / 10})
    log.close()
    whole = path.read_text()
    path.write_text(whole + '{"loss": 0.6, "st')  # cut off by a crash
    log = LineLog(path, 3)
    assert path.read_text().splitlines() == whole.splitlines()[:3]
    for step in (4, 5):
        log.write(step, {"loss": step / 10})
    log.close()
    assert path.read_text() == whole
