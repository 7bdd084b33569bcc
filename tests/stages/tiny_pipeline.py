"""The demo with every size cut down, and all its stages in this process."""

import contextlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from lax_guard import LAX

from dvdgan.config import load_config, parse_config
from dvdgan.stages import (
    evaluate,
    export,
    features,
    index,
    monitor,
    reference,
    report,
    shard,
    train,
)
from dvdgan.storage.local import write_json

PROJECT = Path(__file__).resolve().parents[2]
T = 5


def tiny(videos: Path) -> dict[str, Any]:
    """Params of seconds, with statistics of a test split."""
    params = load_config(PROJECT / "presets" / "demo.yaml").model_dump()
    params["clip"] |= {"frames": T, "stride": 1}
    params["index"] |= {"root": str(videos), "test_fraction": 0.34}
    params["features"] |= {"width": 4, "steps": 3, "batch_size": 4}
    params["reference"]["clips_per_video"] = 8
    params["model"] |= {"generator_channels": 1, "discriminator_channels": 1, "spatial_frames": 2}
    params["train"] |= {"steps": 4, "batch_size": 4, "checkpoint_every": 4, "preview_every": 4}
    guard = {"samples": 32, "evaluate_every": 4, "patience": 1000, "thresholds": LAX}
    params["train"]["guard"] |= guard
    params["evaluate"] |= {"samples": 32, "interpolation_lines": 2, "interpolation_videos": 3}
    params["export"] |= {"standing_batches": 2, "standing_batch_size": 4}
    params["monitor"]["components"] = 4
    params["report"]["samples_per_class"] = 2
    return params


ALL = (index, shard, features, reference, train, export, evaluate, monitor, report)


def run_stages(params: dict[str, Any], folder: Path, stages: tuple[ModuleType, ...] = ALL) -> None:
    """Run ``stages`` in ``folder``, one after another."""
    write_json(folder / "params.yaml", params)  # JSON is YAML
    more = {index: (1,), shard: (1,), report: (Path("params.yaml"),)}
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.delenv("PREFECT_API_URL", raising=False)
        for stage in stages:
            stage.run(parse_config(params), *more.get(stage, ()))
