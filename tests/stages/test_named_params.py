"""Every key of params.yaml that moves a number of evaluate is in its name, or makes the model."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from metric_settings import SETTINGS
from pydantic import BaseModel
from tiny_pipeline import run_stages, tiny

from dvdgan.config import Config
from dvdgan.data.dataset import ClipDataset
from dvdgan.data.sources.shard_set import EvenClips
from dvdgan.evaluation.measurement import Metric
from dvdgan.evaluation.measurement_settings import DEFAULT_STANDING
from dvdgan.export.bundle import StandingStatistics
from dvdgan.export.results import Results
from dvdgan.stages import index, shard
from dvdgan.stages.artefacts import SHARDS

# What tells a changed value: a field of MeasurementSettings, and by which keys it is moved.
BY_FIELD = {
    "protocol": ["features.protocols"],
    "resolution": ["clip.resolution"],
    "frames": ["clip.frames"],
    "stride": ["clip.stride"],
    "conditioning_frames": ["model.conditioning_frames"],
    # Of the bundle, and of a checkpoint.
    "clips": ["evaluate.samples", "train.guard.samples"],
    "seed": ["evaluate.seed", "train.seed"],
    "truncation": ["evaluate.truncations"],
    "standing": ["export.standing_batches", "export.standing_batch_size"],
    "real_clips": ["reference.kept_clips"],
    # The hash of index.json, which has that of every shard, and the windows.
    "data": ["index", "shard", "reference.clips_per_video"],
    "weights_sha256": [
        *("features.width", "features.steps", "features.batch_size"),
        *("features.learning_rate", "features.seed"),
    ],
}
# In the key of what is measured on lines of videos, and of the share that drifts.
BY_KEY = ["evaluate.interpolation_lines", "evaluate.interpolation_videos", "monitor"]
# They make the model that is measured.
SUBJECT = ["model", "train"]
SILENT = ["report"]


def leaves(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Dotted names of all keys."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_every_key_is_told_by_something() -> None:
    told = [*(key for keys in BY_FIELD.values() for key in keys), *BY_KEY, *SUBJECT, *SILENT]
    keys = list(leaves(Config))
    for key in keys:
        assert any(key == each or key.startswith(f"{each}.") for each in told), key
    for each in told:
        assert any(key == each or key.startswith(f"{each}.") for key in keys), each


OTHERS: dict[str, Any] = {"protocol": "tgan_is", "truncation": "0.44 gaussian", "data": "c" * 16}
OTHERS |= {"standing": "2 forwards of 4 clips", "weights_sha256": "d" * 64}


@pytest.mark.parametrize("field", BY_FIELD)
def test_a_changed_field_is_another_key_and_another_name(field: str) -> None:
    one = Metric("FVD", 1.0, SETTINGS)
    other = Metric("FVD", 2.0, replace(SETTINGS, **{field: OTHERS.get(field, 77)}))
    assert one.name != other.name
    assert one.key != other.key


def test_the_usual_standing_statistics_are_those_of_the_default() -> None:
    assert str(StandingStatistics()) == DEFAULT_STANDING
    usual = replace(SETTINGS, standing=DEFAULT_STANDING)
    assert usual.name == SETTINGS.name


def test_lines_of_videos_are_in_the_key_of_what_is_measured_on_them() -> None:
    keys = []
    for lines, videos in ((8, 8), (9, 8), (8, 9)):
        results = Results({"FVD": Metric("FVD", 1.0, SETTINGS)})
        jumps = {"score": 1.0, "lines": lines, "videos": videos}
        results.add_memorisation("self_trained", {"interpolation_latents": jumps})
        keys += results.memorisation
    assert len(set(keys)) == 3
    assert all(key.startswith("self_trained,64,") for key in keys)


def test_windows_and_quality_of_the_real_clips_are_in_their_mark(
    trained: Path, trained_copy: Callable[[str], Path], synthetic_videos: Path
) -> None:
    def real(folder: Path, clips_per_video: int = 8) -> EvenClips:
        return EvenClips(ClipDataset(folder / SHARDS, "train", 32, 5, 1), clips_per_video)

    usual = real(trained)
    assert real(trained, 4).fingerprint() != usual.fingerprint()
    assert usual.preprocessing.framing == "whole"
    folder = trained_copy("quality")
    for key, value in (("quality", 60), ("short_side", 40)):
        params = tiny(synthetic_videos)
        params["index"]["min_short_side"] = 32
        params["shard"][key] = value
        run_stages(params, folder, (index, shard))
        assert real(folder).fingerprint() != usual.fingerprint()
    assert real(folder).preprocessing.framing == "cropped"
