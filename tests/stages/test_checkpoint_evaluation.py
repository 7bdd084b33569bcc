"""`dvdgan evaluate --checkpoint`: the health metrics of a checkpoint for the guard."""

import contextlib
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from prefect.logging import disable_run_logger

from dvdgan.config.schema import RunSettings
from dvdgan.data.dataset import ClipDataset
from dvdgan.errors import UserError
from dvdgan.evaluation.features import extract
from dvdgan.evaluation.measurement import metric_values
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.evaluation.reference import MEAN_CLIP_FILE, RealReference, load_mean_clip
from dvdgan.export.bundle import BundleSource, StandingStatistics, sampler_of
from dvdgan.export.generated_clips import SampleSpec
from dvdgan.export.sampler import Sampler
from dvdgan.guard import ledger
from dvdgan.guard.run_folder import RunFolder, step_of
from dvdgan.stages import evaluate
from dvdgan.stages.artefacts import FEATURES, REFERENCE, SHARDS
from dvdgan.storage.local import read_json
from dvdgan.training.state import initial_state
from flows.measure import evaluator_file, measure

SHARES = ("recall", "near_duplicates", "static", "uniform", "saturated", "flickering", "accuracy")


def measured(folder: Path, write: Path) -> dict[str, dict[str, float]]:
    """What the evaluation of the checkpoint writes."""
    (checkpoint,) = folder.glob(".runs/train/*/checkpoints/step-*")
    with contextlib.chdir(folder):
        evaluate.run_checkpoint(checkpoint, write)
    result: dict[str, dict[str, float]] = read_json(write)
    assert result.pop("sha256")  # by which a later evaluation knows the file unchanged
    return result


def test_metrics_and_health_are_numbers_in_their_ranges(trained: Path) -> None:
    _, kept = sorted(trained.glob(".runs/train/*/evaluations/*/step-*.json"))  # the supervisor's
    result = read_json(kept)
    assert result.pop("sha256")  # by which a later evaluation knows the file unchanged
    assert result.keys() == {"metrics", "names", "health", "intervals"}
    (low, high), fvd = result["intervals"]["FVD"], result["metrics"]["FVD"]
    assert low < fvd < high
    assert result["metrics"].keys() == {"FID", "FVD", "IS"}
    assert result["health"].keys() == {"diversity", "class_diversity", *SHARES}
    numbers = [*result["metrics"].values(), *result["health"].values()]
    assert all(math.isfinite(value) for value in numbers)
    assert all(0 <= result["health"][name] <= 1 for name in SHARES)
    assert result["health"]["diversity"] > 0


def test_the_baseline_is_of_the_weights_before_step_1_and_of_the_mean_clip(trained: Path) -> None:
    """Step 0 as the trainer's own initial state has it, measured here without the stage."""
    kept, _ = sorted(trained.glob(".runs/train/*/evaluations/*/step-*.json"))
    result = read_json(kept)
    settings = RunSettings.model_validate_json((kept.parents[2] / "settings.json").read_text())
    with contextlib.chdir(trained):
        clip = settings.clip
        dataset = ClipDataset(SHARDS, "train", clip.resolution, clip.frames, clip.stride)
        state = initial_state(
            clip, settings.model, settings.train, len(dataset.classes), torch.device("cpu")
        )
        sampler = sampler_of(
            state.average, BundleSource.of(dataset, settings.model, clip), StandingStatistics()
        )
        spec = SampleSpec.of(dataset, settings.train.guard.samples, settings.train.seed, 0)
        network = FeatureNetwork.load(FEATURES / "small_i3d", "cpu", "none")
        reference = RealReference.load(REFERENCE / settings.protocol, "train")
        features = extract(network, sampler.stream(spec.labels, spec.seed), 32, "untrained")
        mean = load_mean_clip(REFERENCE / MEAN_CLIP_FILE).expand(32, -1, -1, -1, -1)
        flat = extract(network, [(mean, spec.labels)], 32, "mean clip")
    assert result["metrics"]["FVD"] == pytest.approx(metric_values(features, reference)["FVD"])
    means = metric_values(flat, reference)
    assert result["mean_clip"]["metrics"]["FVD"] == pytest.approx(means["FVD"])
    ledger_line = (kept.parents[2] / "ledger.jsonl").read_text().splitlines()[0]
    assert json.loads(ledger_line)["untrained"]["metrics"] == result["metrics"]


def test_the_ledger_keeps_the_full_names(trained: Path) -> None:
    _, kept = sorted(trained.glob(".runs/train/*/evaluations/*/step-*.json"))
    names = read_json(kept)["names"]
    (event,) = ledger.evaluations(ledger.read(RunFolder(kept.parents[2]).ledger))
    assert event["names"] == names
    assert names.keys() == event["metrics"].keys()
    for metric, name in names.items():
        assert name.startswith(f"{metric}[self_trained: small_i3d@")
        assert "stride 1, 32 clips" in name and name.endswith(", seed 0]")


def test_a_worker_elsewhere_measures_what_the_supervisor_did(
    trained_copy: Callable[[str], Path],
) -> None:
    folder = trained_copy("worker")
    _, kept = sorted(folder.glob(".runs/train/*/evaluations/*/step-*.json"))
    result = read_json(kept)
    kept.unlink()
    run, step = RunFolder(kept.parents[2]), step_of(kept)
    with disable_run_logger():
        measure.fn(str(folder), str(run.root), step, "a launch_id")
    assert read_json(kept) == result
    assert read_json(evaluator_file(run, step))["over"]


def test_clips_that_are_not_finite_have_no_numbers(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverged(*_: object, **__: object) -> None:
        raise FloatingPointError("the generator's output is not finite")

    monkeypatch.setattr(Sampler, "stream", diverged)
    nothing = {
        "metrics": {"FID": None, "FVD": None, "IS": None},
        "names": {},
        "health": {},
        "intervals": {},
    }
    assert measured(trained, tmp_path / "measured.json") == nothing


def test_statistics_of_an_older_version_are_to_be_made_again(trained: Path, tmp_path: Path) -> None:
    older = shutil.copytree(trained, tmp_path / "older")
    (older / "artifacts" / "reference" / "ranges.json").unlink()
    with pytest.raises(UserError, match="dvc repro reference"):
        measured(older, tmp_path / "measured.json")
