"""Every field of the conditions is in the name."""

from dataclasses import fields, replace
from typing import Any

import pytest

from dvdgan.evaluation.measurement_settings import MeasurementSettings
from dvdgan.video.preprocessing import Preprocessing

# The weights imply the one, the mark of the data the other.
IMPLIED = {"value_range", "clips_per_video"}


@pytest.mark.parametrize("field", [each.name for each in fields(MeasurementSettings)])
def test_every_condition_is_in_the_name(field: str) -> None:
    conditions = MeasurementSettings(
        protocol="self_trained",
        data="a" * 16,
        network="small_i3d",
        weights_sha256="b" * 64,
        layer="logits",
        value_range="[-1, 1]",
        resize="none",
        resolution=32,
        frames=4,
        stride=1,
        clips=64,
        real_split="train",
        real_clips=640,
        seed=0,
        conditioning_frames=1,
        conditioning_split="train",
        real_preprocessing=Preprocessing(),
    )
    others: dict[type, Any] = {
        int: 77,
        str: "c" * 64,
        type(None): "2 forwards of 4 clips",
        Preprocessing: Preprocessing(2, "random", "cropped", "[0, 1]", "NTCHW", "test"),
    }
    changed = replace(conditions, **{field: others[type(getattr(conditions, field))]})
    assert conditions.differences(changed)
    assert (changed.name == conditions.name) == (field in IMPLIED)
    assert "\n" not in changed.name
