"""`dvdgan evaluate --checkpoint`: what the guard is told of a checkpoint's samples."""

import contextlib
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from dvdgan.errors import UserError
from dvdgan.export.sampler import Sampler
from dvdgan.guard.run_folder import RunFolder, step_of
from dvdgan.stages import evaluate
from dvdgan.storage.local import read_json
from flows.measure import evaluator_file, measure

SHARES = ("recall", "near_duplicates", "static", "uniform", "saturated", "flickering", "accuracy")


def measured(folder: Path, write: Path) -> dict[str, dict[str, float]]:
    """What the evaluation of the checkpoint writes."""
    (checkpoint,) = folder.glob(".runs/train/*/checkpoints/step-*")
    with contextlib.chdir(folder):
        evaluate.run_checkpoint(checkpoint, write)
    told: dict[str, dict[str, float]] = read_json(write)
    return told


def test_metrics_and_signs_are_numbers_in_their_ranges(trained: Path) -> None:
    (kept,) = trained.glob(".runs/train/*/evaluations/*/step-*.json")  # the supervisor's
    told = read_json(kept)
    assert told.keys() == {"metrics", "signs"}
    assert told["metrics"].keys() == {"FID", "FVD", "IS"}
    assert told["signs"].keys() == {"diversity", "class_diversity", *SHARES}
    assert all(math.isfinite(value) for numbers in told.values() for value in numbers.values())
    assert all(0 <= told["signs"][name] <= 1 for name in SHARES)
    assert told["signs"]["diversity"] > 0


def test_a_worker_elsewhere_measures_what_the_supervisor_did(
    trained_copy: Callable[[str], Path],
) -> None:
    folder = trained_copy("worker")
    (kept,) = folder.glob(".runs/train/*/evaluations/*/step-*.json")
    told = read_json(kept)
    kept.unlink()
    run, step = RunFolder(kept.parents[2]), step_of(kept)
    with disable_run_logger():
        measure.fn(str(folder), str(run.root), step, "a ticket")
    assert read_json(kept) == told
    assert read_json(evaluator_file(run, step))["over"]


def test_clips_that_are_not_finite_have_no_numbers(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverged(*_: object, **__: object) -> None:
        raise FloatingPointError("the generator's output is not finite")

    monkeypatch.setattr(Sampler, "stream", diverged)
    nothing = {"metrics": {"FID": None, "FVD": None, "IS": None}, "signs": {}}
    assert measured(trained, tmp_path / "measured.json") == nothing


def test_statistics_of_an_older_version_are_to_be_made_again(trained: Path, tmp_path: Path) -> None:
    older = shutil.copytree(trained, tmp_path / "older")
    (older / "artifacts" / "reference" / "ranges.json").unlink()
    with pytest.raises(UserError, match="dvc repro reference"):
        measured(older, tmp_path / "measured.json")
