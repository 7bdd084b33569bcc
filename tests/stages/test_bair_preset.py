"""The BAIR preset from index to report, on an imitation: one class, and no published weights."""

from pathlib import Path
from typing import Any

import pytest
from lax_guard import LAX
from robot_pushing import write_robot_pushing
from tiny_pipeline import ALL, PROJECT, run_stages

from dvdgan.config import load_config
from dvdgan.errors import UserError
from dvdgan.evaluation.networks.pretext_task import PRETEXT_CLASSES
from dvdgan.reporting.scores import metrics_by_name
from dvdgan.stages import features, train
from dvdgan.stages.artefacts import EVALUATE, FEATURES, INDEX, MODEL, REFERENCE, REPORT
from dvdgan.storage.local import read_json


def tiny_bair(root: Path) -> dict[str, Any]:
    """The preset with every size cut down, measured by a network that is trained here."""
    params = load_config(PROJECT / "presets" / "table4_bair_prediction.yaml").model_dump()
    assert params["index"]["source"] == "bair"
    params["clip"] |= {"resolution": 32, "frames": 4}
    params["index"]["root"] = str(root)
    params["shard"]["short_side"] = 32
    features = {"protocols": ["self_supervised"], "width": 4, "steps": 3, "batch_size": 4}
    params["features"] |= features
    params["reference"] |= {"clips_per_video": 8, "kept_clips": 32}
    params["model"] |= {"generator_channels": 1, "discriminator_channels": 1, "spatial_frames": 2}
    params["model"] |= {"recurrent_channels": 4, "latent_dim": 8, "class_dim": 4}
    steps = {"steps": 2, "checkpoint_every": 2, "preview_every": 2, "batch_size": 2}
    params["train"] |= {**steps, "ema_start": 0}
    guard = {"samples": 32, "evaluate_every": 2, "patience": 1000, "thresholds": LAX}
    params["train"]["guard"] |= guard
    params["export"] |= {"standing_batches": 1, "standing_batch_size": 4}
    params["evaluate"] |= {"samples": 32, "interpolation_lines": 2, "interpolation_videos": 3}
    params["monitor"]["components"] = 4
    params["report"]["samples_per_class"] = 2
    return params


@pytest.fixture
def params(tmp_path: Path) -> dict[str, Any]:
    """The preset on an imitation of BAIR."""
    write_robot_pushing(tmp_path / "bair", train=5, test=4, per_file=4, frames=12)
    return tiny_bair(tmp_path / "bair")


def test_one_class_has_a_network_and_statistics(tmp_path: Path, params: dict[str, Any]) -> None:
    work = tmp_path / "work"
    work.mkdir()
    run_stages(params, work, ALL[: ALL.index(train)])

    assert read_json(work / INDEX / "summary.json")["classes"] == {
        "robot_pushing": {"train": 5, "test": 4}
    }
    network = read_json(work / FEATURES / "small_i3d_self_supervised" / "config.json")
    assert network["classes"] == PRETEXT_CLASSES
    assert 0 <= network["test_accuracy"] <= 1
    real = read_json(work / REFERENCE / "self_supervised" / "reference.json")
    assert real["description"]["protocol"] == "self_supervised"
    assert real["clips"] == {"train": 5 * 8, "test": 4 * 8}
    params["features"]["protocols"] = ["self_trained"]
    with pytest.raises(UserError, match="only one class") as refused:
        run_stages(params, work, (features,))
    assert "features.protocols: [self_supervised]" in str(refused.value)


@pytest.mark.long
def test_one_class_goes_from_index_to_report(tmp_path: Path, params: dict[str, Any]) -> None:
    work = tmp_path / "work"
    work.mkdir()
    run_stages(params, work)
    document = read_json(work / EVALUATE / "results.json")
    for who in (document["generated"], *document["controls"].values()):
        found = metrics_by_name(who)
        assert {"FVD", "FID"} <= found.keys() or "FVD_frames" in found
        assert not {"IS", "accuracy"} & found.keys()  # which one class makes meaningless
    assert document["truncation"] == []
    assert all("[self_supervised," in key for key in document["generated"])
    card = (work / MODEL / "README.md").read_text(encoding="utf-8")
    assert "from 1 frame it predicts the next 3" in card
    page = (work / REPORT / "index.html").read_text(encoding="utf-8")
    assert "FVD" in page
    assert "of many kinds" not in page  # the Inception Score
