"""Made-up artefacts of a run, with text that tries to break out of the page."""

import math

import numpy as np
import pytest

from dvdgan.reporting.media import embed_clips
from dvdgan.reporting.page import ClassSamples, Content, TrainingPreview

HOSTILE = '<script>alert("x")</script>'


def _metrics(fid, fvd, score, right, clips):
    values = {"FID": fid, "FVD": fvd, "IS": score, "accuracy": right}
    return {
        name: {
            "value": value,
            "name": f"{name}[small_i3d@1a2b3c4d logits, 12x32x32 stride 1, {clips} clips vs 480]",
            "protocol": {"clips": clips},
            "interval": [value * 0.9, value * 1.1],
        }
        for name, value in values.items()
    }


@pytest.fixture
def measured():
    return {
        "generated": _metrics(2.84, 41.7, 2.51, 0.71, 256),
        "controls": {
            "real test clips": _metrics(0.31, 4.2, 3.62, 0.98, 40),
            "untrained generator": _metrics(19.3, 1873.0, 1.04, 0.25, 256),
            "mean clip": _metrics(14.8, 412.0, 1.0, 0.25, 256),
        },
        "truncation": [
            {"level": level, "FID": {"value": fid}, "IS": {"value": score}}
            for level, fid, score in ((0.44, 9.1, 2.9), (1.0, 2.84, 2.51))
        ],
        "details": {
            "self_trained,256,1a2b3c4d": {
                "per_class": {
                    HOSTILE: {
                        "accuracy": 0.625,
                        "frechet_distance": None,
                        "diversity": 3.21,
                        "real_diversity": 4.32,
                    }
                }
            }
        },
        "memorisation": {
            "self_trained,256,5e6f7a8b": {
                "nearest": {"nearer": 0.417, "near_share": 0.031, "memorising": False},
                "interpolation_latents": {"score": 1.61, "videos": 8},
            }
        },
        "warnings": ["FID: 40 measured clips for 64 feature dimensions"],
    }


def _squares(count, step):
    clips = np.full((count, 12, 32, 32, 3), 24, np.uint8)
    for clip in range(count):
        for frame in range(12):
            left = (clip * 5 + frame * step) % 24
            clips[clip, frame, 12:20, left : left + 8] = (230, 40 * clip % 255, 90)
    return clips


@pytest.fixture
def content(measured):
    footages = [embed_clips(_squares(6, step), 12.0) for step in (2, -2)]
    telemetry = [
        {
            "step": step,
            "d_loss": 2 * math.exp(-step / 60) + 0.6,
            "g_loss": math.sin(step / 9) * 0.2,
            "spatial_real": 0.4 + step / 500,
            "spatial_fake": -0.3 - step / 600,
            "temporal_real": 0.2 + step / 700,
            "temporal_fake": -0.2 - step / 800,
        }
        for step in range(120)
    ]
    ledger = [
        {
            "event": "evaluated",
            "step": step,
            "metrics": {"FID": 600 / step, "FVD": 9000 / step, "IS": 1 + step / 80},
            "verdict": "healthy" if step != 90 else "suspect",
            "reasons": [] if step != 90 else ["FVD 3.4 times the best"],
        }
        for step in (30, 60, 90, 120)
    ]
    ledger.insert(
        0,
        {
            "event": "baseline",
            "untrained": {"metrics": {"FVD": 90.0}, "intervals": {"FVD": [80.0, 100.0]}},
            "mean_clip": {"metrics": {"FVD": 120.0}, "intervals": {}},
        },
    )
    changes = {"learning_rate_scale": 0.5, "added_discriminator_steps": 0, "restart_index": 1}
    back = {"event": "rolled_back", "from_step": 90, "to_step": 60, "reasons": ["FVD is high"]}
    ledger.append(back | changes)
    return Content(
        conditioning_frames=0,
        samples=[
            ClassSamples(name, footages[place % 2], footages[1 - place % 2])
            for place, name in enumerate(["drift_left", "drift_right", "spin", HOSTILE])
        ],
        previews=[TrainingPreview(step, footages[0]) for step in (40, 80, 120)],
        measured=measured,
        sheets={"from one latent to another": footages[0]},
        telemetry=telemetry,
        ledger=ledger,
        drift={
            "columns": {"pc_1": 0.42, "pc_2": 0.06, "motion": 0.31, "contrast": 0.02},
            "drifted": ["pc_1", "motion"],
            "share": 0.5,
            "threshold": 0.1,
        },
        data_set={
            "videos": 160,
            "splits": {"train": 120, "test": 40},
            "classes": {
                "drift_left": {"train": 60, "test": 20},
                HOSTILE: {"train": 60, "test": 20},
            },
        },
        refused=[{"path": f"a/{HOSTILE}.mp4", "reason": "not_a_video", "detail": HOSTILE}],
        params="clip:\n  resolution: 32\n" + f"# {HOSTILE}\n",
        identity={"run": "1a2b3c4d", "trained on": "8 x cuda, torch 2.13.0"},
        environment={"python": "3.11.9", "torch": "2.13.0", "machine": "x86_64"},
    )
