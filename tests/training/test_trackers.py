"""Trackers: each shows every step once, after a resume too; none can end or stall a run."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dvdgan.errors import UserError
from dvdgan.training import trackers
from dvdgan.training.trackers import Trackers
from dvdgan.video.image import encode_png

# Stands in for W&B, which is not among the project's packages; it writes down what it is told.
WANDB = """
from pathlib import Path
told = []
class Image:
    def __init__(self, path): self.content = Path(path).read_bytes()
class Video:
    def __init__(self, path, format): self.content, self.format = Path(path).read_bytes(), format
class Run:
    def log(self, values, step): told.append((step, values))
    def finish(self): told.append("finished")
def init(**given):
    told.append(given)
    return Run()
"""
SHEET = {".png": encode_png(np.full((6, 10, 3), 40, np.uint8)), ".mp4": b"not looked at"}


class Recorder:
    """A tracker that fails when it is told to."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.told: list[Any] = []
        self.fails_at = fails_at

    def scalars(self, step: int, values: dict[str, float]) -> None:
        if step == self.fails_at:
            raise RuntimeError("no network")
        self.told.append((step, values))

    sheet = scalars

    def close(self) -> None:
        self.told.append("closed")


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have these trackers known, by name."""

    def replace(**begins: Callable[..., Any]) -> None:
        entries = {name: (begin, "torch") for name, begin in begins.items()}
        monkeypatch.setattr(trackers, "KNOWN", entries)

    return replace


def run(names: list[str], folder: Path, steps: range, sheet_at: int | None = None) -> None:
    """A run that tells its steps; `training/loss` of step n is n / 10."""
    shown = Trackers.open(names, folder, "0123abcd", steps.start - 1)
    for step in steps:
        shown.scalars(step, {"training/loss": step / 10, "speed/clips_per_second": 5.0})
        if step == sheet_at:
            shown.sheet(step, SHEET)
    shown.close()


def test_none_are_asked_for_by_default(tmp_path: Path) -> None:
    before = threading.active_count()
    run([], tmp_path, range(1, 3), sheet_at=2)
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == before


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no tracker 'tensorbord'") as refused:
        Trackers.open(["tensorbord"], tmp_path, "run", 0)
    assert "dvclive, tensorboard, wandb" in refused.value.todo


@pytest.mark.parametrize("name", ["dvclive", "tensorboard", "wandb"])
def test_one_that_is_not_installed_says_what_to_type(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda package: None)
    with pytest.raises(UserError, match=f"{name} is not installed") as refused:
        Trackers.open([name], tmp_path, "run", 0)
    assert f"pip install {name}" in refused.value.todo
    assert list(tmp_path.iterdir()) == []


def test_all_are_told_everything_in_order(tmp_path: Path, known: Callable[..., None]) -> None:
    one, other = Recorder(), Recorder()
    known(one=lambda *_: one, other=lambda *_: other)
    run(["one", "other", "one"], tmp_path, range(1, 200), sheet_at=50)
    assert one.told == other.told
    steps = [each[0] for each in one.told[:-1]]
    assert steps == sorted([*range(1, 200), 50]) and one.told[-1] == "closed"
    assert one.told[50] == (50, SHEET)


def test_one_that_fails_is_said_once_and_the_others_go_on(
    tmp_path: Path, known: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def never_begins(*_: object) -> Recorder:
        raise OSError("disk full")

    failing, well = Recorder(fails_at=3), Recorder()
    known(failing=lambda *_: failing, never=never_begins, well=lambda *_: well)
    run(["failing", "never", "well"], tmp_path, range(1, 9))
    assert [each[0] for each in failing.told] == [1, 2]
    assert len(well.told) == 9
    assert sorted(capsys.readouterr().err.splitlines()) == [
        "train: failing is left out from here on: RuntimeError: no network",
        "train: never is left out from here on: OSError: disk full",
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
    run(["hangs"], tmp_path, range(1, 4))
    assert "hangs is left out from here on: it did not end in" in capsys.readouterr().err
    run(["hangs"], tmp_path, range(1, 40))
    released.set()
    assert "it is 10 steps behind" in capsys.readouterr().err


def test_tensorboard_shows_redone_steps_once(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run(["tensorboard"], tmp_path, range(1, 9), sheet_at=8)
    run(["tensorboard"], tmp_path, range(6, 11), sheet_at=8)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    shown = events.Scalars("training/loss")
    assert [each.step for each in shown] == list(range(1, 11))
    assert [each.value for each in shown] == pytest.approx([step / 10 for step in range(1, 11)])
    (image,) = events.Images("samples")
    assert (image.step, image.width, image.height) == (8, 10, 6)
    assert image.encoded_image_string == SHEET[".png"]


def test_dvclive_shows_redone_steps_once_and_leaves_the_project_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dvclive")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "trackers"
    run(["dvclive"], folder, range(1, 9), sheet_at=8)
    table = folder / "dvclive" / "plots" / "metrics" / "training" / "loss.tsv"
    with table.open("a") as cut_by_a_crash:
        cut_by_a_crash.write("9\t0.")
    run(["dvclive"], folder, range(6, 11), sheet_at=8)
    rows = [row.split("\t") for row in table.read_text().splitlines()]
    assert rows == [["step", "loss"], *([str(step), str(step / 10)] for step in range(1, 11))]
    assert '"step": 10' in (folder / "dvclive" / "metrics.json").read_text()
    assert (folder / "dvclive" / "plots" / "images" / "samples" / "8.png").is_file()
    assert list(tmp_path.iterdir()) == [folder]


def test_wandb_goes_on_with_the_run_of_this_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wandb.py").write_text(WANDB)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    run(["wandb"], tmp_path, range(1, 3), sheet_at=2)
    began, first, _, sheet, finished = sys.modules["wandb"].told
    monkeypatch.delitem(sys.modules, "wandb")
    assert (began["project"], began["id"], began["resume"]) == ("dvdgan", "0123abcd", "allow")
    assert began["dir"] == str(tmp_path / "wandb")
    assert first == (1, {"training/loss": 0.1, "speed/clips_per_second": 5.0})
    assert sheet[0] == 2 and finished == "finished"
    assert sheet[1]["samples"].content == SHEET[".png"]
    assert (sheet[1]["video"].content, sheet[1]["video"].format) == (SHEET[".mp4"], "mp4")
