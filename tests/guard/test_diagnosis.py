"""Advice for a run that never learned: it has to fit what its ledger shows."""

from pathlib import Path
from typing import Any

import pytest

from dvdgan.config import load_config
from dvdgan.guard.diagnosis import advice, never_learned

TRAIN = load_config(
    Path(__file__).resolve().parents[2] / "presets" / "moving_shapes_prediction.yaml"
).train

Event = dict[str, Any]


def baseline(untrained: float = 38.0, mean_clip: float = 50.0) -> Event:
    return {
        "event": "baseline",
        "untrained": distance(untrained),
        "mean_clip": distance(mean_clip),
    }


def distance(fvd: float | None) -> Event:
    intervals = {} if fvd is None else {"FVD": [fvd - 1, fvd + 1]}
    return {"metrics": {"FVD": fvd}, "intervals": intervals}


def evaluated(step: int, fvd: float | None = 37.5, **training: float) -> Event:
    usual = {
        "generator_gradient": 5.0,
        "generator_singular_values": 1.05,
        "temporal_loss": 1.0,
        "temporal_gap": 1.0,
    }
    event = {"event": "evaluated", "step": step, "verdict": "warming_up", "health": {}}
    return event | distance(fvd) | {"training": usual | training}


WON = {"temporal_loss": 0.0, "temporal_gap": 9.0}
STILL = {"generator_singular_values": 1.0001}


@pytest.mark.parametrize(
    ("events", "named"),
    [
        ([evaluated(10), evaluated(20, None)], "lower train.generator_learning_rate (0.001) and"),
        ([evaluated(10), evaluated(20, 49.2)], "lower train.generator_learning_rate (0.001) and"),
        ([evaluated(5, 49.2), evaluated(10), evaluated(20)], "train longer"),
        ([evaluated(10, generator_gradient=0.0)], "lower train.generator_learning_rate"),
        ([evaluated(10, **STILL), evaluated(20, **STILL)], "raise train.generator_learning_rate"),
        ([evaluated(10, **WON, **STILL)], "raise train.generator_learning_rate"),
        ([evaluated(10, **WON), evaluated(20, **WON)], "lower train.discriminator_learning_rate"),
        ([evaluated(10, **WON), evaluated(20)], "train longer, or raise train.guard.warm_up"),
        ([evaluated(10), evaluated(20)], "train longer, or raise train.guard.warm_up (it is 0.75"),
    ],
)
def test_each_cause_has_its_own_advice(events: list[Event], named: str) -> None:
    (found,) = advice([baseline(), *events], TRAIN)
    assert named in found


def test_clips_of_one_picture_are_named() -> None:
    """Their mean is as near to them as they are to each other."""
    first, *_ = advice([baseline(mean_clip=0.01), evaluated(10)], TRAIN)
    assert first == (
        "check the real clips, which hardly differ: the mean of all clips has FVD 0.01"
    )


def test_what_a_rollback_moved_aside_counts() -> None:
    back = {"event": "rolled_back", "to_step": 0}
    (found,) = advice([baseline(), evaluated(10, 60.0), back, evaluated(10)], TRAIN)
    assert "lower train.generator_learning_rate" in found


def test_the_error_names_the_step_the_reasons_and_the_ledger(tmp_path: Path) -> None:
    end = {"event": "never_learned", "reached": 20, "reasons": ["FVD 37.5 is not clearly below 38"]}
    error = never_learned([baseline(), evaluated(20), end], TRAIN, tmp_path / "ledger.jsonl")
    assert "the run never learned" in str(error)
    assert "up to step 20" in str(error)
    assert "FVD 37.5 is not clearly below 38" in str(error)
    assert str(tmp_path / "ledger.jsonl") in str(error)
