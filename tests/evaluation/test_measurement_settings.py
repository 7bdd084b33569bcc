"""Every field of the conditions is in the name."""

from dataclasses import fields, replace
from typing import Any

import pytest
from metric_settings import SETTINGS

from dvdgan.evaluation.measurement_settings import MeasurementSettings
from dvdgan.video.preprocessing import Preprocessing

# The weights imply the one, the mark of the data the other.
IMPLIED = {"value_range", "clips_per_video"}


@pytest.mark.parametrize("field", [each.name for each in fields(MeasurementSettings)])
def test_every_condition_is_in_the_name(field: str) -> None:
    conditions = replace(
        SETTINGS,
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
