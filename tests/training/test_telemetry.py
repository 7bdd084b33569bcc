"""The log of a resumed run is the log of an unbroken one; a full disk costs no line."""

import errno
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dvdgan.training import telemetry
from dvdgan.training.telemetry import LineLog, Telemetry

VALUES = {
    "generator_gradient_norm": 2.0,
    "generator_loss": 0.25,
    "spatial_loss": 1.0,
    "temporal_loss": 1.5,
}


def filled(path: Path, steps: int) -> bytes:
    log = LineLog(path, 0)
    for step in range(1, steps + 1):
        log.write(step, {"loss": step / 10})
    log.close()
    return path.read_bytes()


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


class SmallDisk:
    """A file that holds ``room`` bytes and then refuses, in the middle of a line."""

    def __init__(self, log: LineLog, room: int, number: int = errno.ENOSPC) -> None:
        self.file, self.room, self.number = log._file, room, number
        log._file = self  # type: ignore[assignment]

    def write(self, content: bytes) -> int:
        taken = content[: self.room]
        if not taken:
            raise OSError(self.number, os.strerror(self.number))
        self.room -= len(taken)
        return self.file.write(taken)

    def truncate(self, size: int) -> None:
        if self.file.seekable() and self.file.name != "/dev/full":
            self.room += self.file.seek(0, 2) - size
            self.file.truncate(size)

    def close(self) -> None:
        self.file.close()


@pytest.mark.parametrize("cut", [b'{"loss": 0.6, "st', b"\x00\x00\x00", b"\xff{", b"7\n", b""])
def test_steps_that_are_done_again_are_forgotten_first(tmp_path: Path, cut: bytes) -> None:
    path = tmp_path / "metrics.jsonl"
    whole = filled(path, 5)
    path.write_bytes(whole + cut)  # left by a crash
    log = LineLog(path, 3)
    assert path.read_bytes().splitlines() == whole.splitlines()[:3]
    for step in (4, 5):
        log.write(step, {"loss": step / 10})
    log.close()
    assert path.read_bytes() == whole


def test_a_last_line_that_lacks_its_end_alone_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    whole = filled(path, 3)
    path.write_bytes(whole[:-1])
    LineLog(path, 3).close()
    assert path.read_bytes() == whole


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    log = LineLog(tmp_path / "spectra.jsonl", 0)
    log.write(1, {"a": {"layer": [float("nan"), 1.0]}, "b": float("inf")})
    log.close()
    assert records(log._path) == [{"step": 1, "a": {"layer": [None, 1.0]}, "b": None}]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_costs_no_line(
    tmp_path: Path, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = filled(tmp_path / "unbroken.jsonl", 9)
    log = LineLog(tmp_path / "metrics.jsonl", 0)
    disk = SmallDisk(log, room=len(whole) // 3 + 5, number=number)
    for step in range(1, 7):
        log.write(step, {"loss": step / 10})
        # Never half a line, however long the disk is full.
        assert [each["step"] for each in records(log._path)] == list(range(1, min(step, 3) + 1))
    assert capsys.readouterr().err.count("\n") == 1  # once
    disk.room = 10_000
    for step in range(7, 10):
        log.write(step, {"loss": step / 10})
    assert "no line was lost" in capsys.readouterr().err
    log.close()
    assert log._path.read_bytes() == whole


def test_lines_that_find_no_room_at_the_end_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = LineLog(tmp_path / "metrics.jsonl", 0)
    SmallDisk(log, room=3)
    for step in (1, 2):
        log.write(step, {"loss": 0.0})
    log.close()
    assert "2 lines of metrics.jsonl are lost: No space left" in capsys.readouterr().err
    assert log._path.read_bytes() == b""


def test_another_failure_of_the_disk_is_raised(tmp_path: Path) -> None:
    log = LineLog(tmp_path / "metrics.jsonl", 0)
    SmallDisk(log, room=3, number=errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        log.write(1, {"loss": 0.0})
    assert log._path.read_bytes() == b""


def test_a_real_full_device_is_a_full_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    log = LineLog(tmp_path / "metrics.jsonl", 0)
    disk = SmallDisk(log, room=10_000)
    real = disk.file
    with Path("/dev/full").open("wb", buffering=0) as device:
        disk.file = device
        log.write(1, {"loss": 0.0})
        disk.file = real
    assert "No space left on device" in capsys.readouterr().err
    log.write(2, {"loss": 0.0})
    log.close()
    assert [each["step"] for each in records(log._path)] == [1, 2]


class Watcher:
    """Trackers that keep what is logged."""

    def __init__(self) -> None:
        self.logged: list[dict[str, Any]] = []
        self.closed = False

    def log_metrics(self, values: dict[str, Any], step: int) -> None:
        assert step == 1
        self.logged.append(values)

    log_samples = log_metrics

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def begin(tmp_path: Path) -> Callable[..., Telemetry]:
    def make(finished_steps: int = 0, total: int = 100, **more: Any) -> Telemetry:
        paths = (tmp_path / "metrics.jsonl", tmp_path / "timing.jsonl")
        return Telemetry(*paths, finished_steps, total, **more)

    return make


def test_values_speed_and_spectra_have_a_file_each(
    begin: Callable[..., Telemetry], tmp_path: Path
) -> None:
    watcher = Watcher()
    spectra = {"generator": {"linear": [3.0, 2.0, 1.0]}, "discriminators": {"a.b": [4.0]}}
    with begin(spectra=tmp_path / "spectra.jsonl", trackers=watcher) as run:
        run.record(1, VALUES, clips=8, seconds=2.0, waited=0.5)
        run.record_spectra(1, **spectra)
        run.show(1, {".png": b"..."})
    speed = {"clips_per_second": 4.0, "data_wait_share": 0.25, "step_seconds": 2.0}
    assert records(tmp_path / "metrics.jsonl") == [{"step": 1, **VALUES}]
    assert records(tmp_path / "timing.jsonl") == [{"step": 1, **speed}]
    assert records(tmp_path / "spectra.jsonl") == [{"step": 1, **spectra}]
    scalars, largest, sheet = watcher.logged
    assert scalars == {f"training/{name}": value for name, value in VALUES.items()} | {
        f"speed/{name}": value for name, value in speed.items()
    }
    assert largest == {"spectra/generator/linear": 3.0, "spectra/discriminators/a.b": 4.0}
    assert sheet == {".png": b"..."} and watcher.closed


def test_the_peak_of_gpu_memory_is_logged_where_there_is_a_gpu(
    begin: Callable[..., Telemetry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry.torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(telemetry.torch.cuda, "max_memory_allocated", lambda: 3 * 2**29)
    with begin() as run:
        run.record(1, VALUES, clips=8, seconds=2.0, waited=0.5)
    assert records(tmp_path / "timing.jsonl")[0]["gpu_memory_gib"] == 1.5


def test_the_live_line(begin: Callable[..., Telemetry], capsys: pytest.CaptureFixture[str]) -> None:
    with begin(finished_steps=1199, total=300_000) as run:
        run.record(1200, VALUES, clips=512, seconds=10.0, waited=0.2)
    line = capsys.readouterr().err
    assert line.startswith("train: 1,200/300,000 steps, ")
    assert line.endswith(
        ", 614,400 clips seen, 51.2 clips/s, D_S 1.000 D_T 1.500 G 0.250, data wait 2%\n"
    )


def test_one_discriminator_alone_and_a_slow_step_among_quick_ones(
    begin: Callable[..., Telemetry], capsys: pytest.CaptureFixture[str]
) -> None:
    values = {name: value for name, value in VALUES.items() if name != "temporal_loss"}
    with begin() as run:
        for step in range(1, 60):
            run.record(step, values, clips=10, seconds=5.0 if step == 1 else 0.1, waited=0.01)
    line = capsys.readouterr().err.splitlines()[-1]
    # The first step is nearly forgotten: 5 s times 0.9 ** 58 is 0.01 s.
    assert line.endswith("590 clips seen, 98.9 clips/s, D_S 1.000 G 0.250, data wait 10%")


def test_a_clock_that_jumps_changes_nothing(
    begin: Callable[..., Telemetry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumps = iter(range(10_000_000, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    with begin() as run:
        for step in range(1, 4):
            run.record(step, VALUES, clips=8, seconds=2.0, waited=0.5)
    assert {each["clips_per_second"] for each in records(tmp_path / "timing.jsonl")} == {4.0}
