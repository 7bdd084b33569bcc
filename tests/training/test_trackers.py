"""Trackers: each shows every step once, after a resume too; none can end or stall a run."""

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accelerate import PartialState

from dvdgan.errors import UserError
from dvdgan.training import trackers
from dvdgan.training.trackers import Trackers
from dvdgan.video.image import decode_png, encode_png

# Stands in for W&B, which is not among the project's packages; it keeps what it is given.
WANDB = """
calls = []
class Image:
    def __init__(self, pixels): self.pixels = pixels
class Video:
    def __init__(self, file, format): self.content, self.format = file.read(), format
class Run:
    def log(self, values, step): calls.append((step, values))
    def finish(self): calls.append("finished")
def init(**given):
    calls.append(given)
    return Run()
"""
IMAGE = np.random.default_rng(0).integers(256, size=(6, 10, 3), dtype=np.uint8)
SAMPLES = {".png": encode_png(IMAGE), ".mp4": b"not looked at"}


class Recorder:
    """A tracker that keeps what is logged, and fails at step ``fails_at``."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.logged: list[Any] = []
        self.fails_at = fails_at

    def start(self) -> None:
        self.logged.append("started")

    def log(self, values: dict[str, Any], step: int) -> None:
        if step == self.fails_at:
            raise RuntimeError("no network")
        self.logged.append((step, values))

    log_samples = log

    def finish(self) -> None:
        self.logged.append("finished")


@pytest.fixture(autouse=True)
def _one_process() -> None:
    """accelerate's trackers need its state, which `Runtime.start` makes in a trainer."""
    PartialState(cpu=True)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have these trackers known, and installed."""

    def replace(**makes: Callable[..., Any]) -> None:
        monkeypatch.setattr(trackers, "KNOWN", makes)
        monkeypatch.setattr(trackers, "find_spec", lambda package: package)

    return replace


def log_run(names: list[str], folder: Path, steps: range, samples_at: int | None = None) -> None:
    """A run that logs its steps; `training/loss` of step n is n / 10."""
    shown = Trackers.open(names, folder, "0123abcd", steps.start - 1)
    for step in steps:
        shown.log_metrics({"training/loss": step / 10, "speed/clips_per_second": 5.0}, step)
        if step == samples_at:
            shown.log_samples(SAMPLES, step)
    shown.close()


def test_there_are_none_by_default(tmp_path: Path) -> None:
    before = threading.active_count()
    log_run([], tmp_path, range(1, 3), samples_at=2)
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == before


@pytest.mark.parametrize("name", ["dvclive", "tensorboard", "wandb"])
def test_one_that_is_not_installed_is_named_with_what_to_type(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda package: None)
    with pytest.raises(UserError, match=f"{name} is not installed") as refused:
        Trackers.open([name], tmp_path, "run", 0)
    assert f"pip install {name}" in refused.value.todo
    assert list(tmp_path.iterdir()) == []


def test_all_get_everything_in_order(tmp_path: Path, known: Callable[..., None]) -> None:
    one, other = Recorder(), Recorder()
    known(one=lambda *_: one, other=lambda *_: other)
    log_run(["one", "other"], tmp_path, range(1, 200), samples_at=50)
    assert one.logged == other.logged
    started, *calls, finished = one.logged
    assert (started, finished) == ("started", "finished")
    assert [step for step, _ in calls] == sorted([*range(1, 200), 50])
    assert calls[50] == (50, SAMPLES)


def test_one_that_fails_is_reported_once_and_the_others_go_on(
    tmp_path: Path, known: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def never_starts(*_: object) -> Recorder:
        raise OSError("disk full")

    failing, well = Recorder(fails_at=3), Recorder()
    known(failing=lambda *_: failing, never=never_starts, well=lambda *_: well)
    log_run(["failing", "never", "well"], tmp_path, range(1, 9))
    assert [step for step, _ in failing.logged[1:]] == [1, 2]
    assert len(well.logged) == 10
    assert sorted(capsys.readouterr().err.splitlines()) == [
        "train: failing is disabled from now on: RuntimeError: no network",
        "train: never is disabled from now on: OSError: disk full",
    ]


def test_one_that_hangs_stalls_nothing(
    tmp_path: Path,
    known: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(trackers, "CLOSE_SECONDS", 0.05)
    monkeypatch.setattr(trackers, "MOST_WAITING", 10)
    released = threading.Event()

    def hangs(*_: object) -> Recorder:
        released.wait(60)
        return Recorder()

    known(hangs=hangs)
    log_run(["hangs"], tmp_path, range(1, 4))
    assert "hangs is disabled from now on: it did not end within" in capsys.readouterr().err
    log_run(["hangs"], tmp_path, range(1, 40))
    released.set()
    assert "it is 10 steps behind" in capsys.readouterr().err


def test_tensorboard_shows_redone_steps_once(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log_run(["tensorboard"], tmp_path, range(1, 9), samples_at=8)
    log_run(["tensorboard"], tmp_path, range(6, 11), samples_at=8)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    shown = events.Scalars("training/loss")
    assert [each.step for each in shown] == list(range(1, 11))
    assert [each.value for each in shown] == pytest.approx([step / 10 for step in range(1, 11)])
    (image,) = events.Images("samples")
    assert image.step == 8
    assert (decode_png(image.encoded_image_string) == IMAGE).all()


def test_dvclive_shows_redone_steps_once_and_leaves_the_project_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dvclive")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))  # as `dvc repro` does
    folder = tmp_path / "trackers"
    log_run(["dvclive"], folder, range(1, 9), samples_at=8)
    table = folder / "dvclive" / "plots" / "metrics" / "training" / "loss.tsv"
    with table.open("a") as cut_by_a_crash:
        cut_by_a_crash.write("9\t0.")
    log_run(["dvclive"], folder, range(6, 11), samples_at=8)
    rows = [row.split("\t") for row in table.read_text().splitlines()]
    assert rows == [["step", "loss"], *([str(step), str(step / 10)] for step in range(1, 11))]
    assert json.loads((folder / "dvclive" / "metrics.json").read_text())["step"] == 10
    image = folder / "dvclive" / "plots" / "images" / "samples" / "8.png"
    assert (decode_png(image.read_bytes()) == IMAGE).all()
    assert list(tmp_path.iterdir()) == [folder]


def test_wandb_goes_on_with_the_run_of_this_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wandb.py").write_text(WANDB)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    log_run(["wandb"], tmp_path, range(1, 3), samples_at=2)
    started, first, _, samples, video, finished = sys.modules["wandb"].calls
    monkeypatch.delitem(sys.modules, "wandb")
    assert (started["project"], started["id"], started["resume"]) == ("dvdgan", "0123abcd", "allow")
    assert started["dir"] == str(tmp_path / "wandb")
    assert first == (1, {"training/loss": 0.1, "speed/clips_per_second": 5.0})
    assert samples[0] == video[0] == 2 and finished == "finished"
    (image,) = samples[1]["samples"]
    assert (image.pixels == IMAGE).all()
    assert (video[1]["video"].content, video[1]["video"].format) == (SAMPLES[".mp4"], "mp4")
