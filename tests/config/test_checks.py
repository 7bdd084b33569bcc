"""Warnings: what can run but is probably a mistake. No preset has one."""

from pathlib import Path
from typing import Any

import pytest

from dvdgan.config import Config, load_config, parse_config, warnings

PRESETS = Path(__file__).resolve().parents[2] / "presets"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the command, with the videos of a preset."""
    (tmp_path / "data" / "moving_shapes").mkdir(parents=True)
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def preset_with(changes: dict[str, Any]) -> Config:
    raw = load_config(PRESETS / "moving_shapes_prediction.yaml").model_dump()
    for dotted, value in changes.items():
        *sections, key = dotted.split(".")
        place = raw
        for section in sections:
            place = place[section]
        place[key] = value
    return parse_config(raw)


def test_presets_have_no_warning_but_for_their_data() -> None:
    for preset in sorted(PRESETS.glob("*.yaml")):
        found = warnings(load_config(preset))
        assert [line for line in found if not line.startswith("index.root is ")] == [], preset.name


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"evaluate.samples": 10**20}, "evaluate.samples is 100000000000000000000: a number above"),
        ({"evaluate.samples": 2_000_000}, "a number above 1,000,000 is probably a typo"),
        ({"reference.kept_clips": 10**7}, "reference.kept_clips is 10000000: a number above"),
        ({"train.steps": 10**9}, "train.steps is 1000000000: a number above 10,000,000"),
        ({"train.batch_size": 10**7}, "train.batch_size is so large that the 10000000 clips"),
        ({"features.batch_size": 10**7}, "features.batch_size is so large that"),
        ({"export.standing_batch_size": 10**7}, "export.standing_batch_size is so large that"),
        (
            {"train.ema_start": 300},
            "train.ema_start is 300, but the run has only train.steps = 300",
        ),
        ({"train.preview_every": 301}, "there will be no sample sheet"),
        ({"train.generator_learning_rate": 0.1}, "train.generator_learning_rate is 0.1: above"),
        ({"train.guard.samples": 512}, "more than evaluate.samples = 256"),
        ({"evaluate.truncations": [0.3, 0.44, 0.3]}, "evaluate.truncations has 0.3 more than once"),
        ({"index.test_fraction": 0}, "there will be no test videos"),
        ({"index.root": "missing"}, "index.root is missing, which does not exist; relative paths"),
    ],
)
def test_what_is_probably_a_mistake(here: Path, changes: dict[str, Any], words: str) -> None:
    (line,) = warnings(preset_with(changes))
    assert words in line


@pytest.mark.parametrize(
    "changes",
    [
        {"train.ema_start": 299, "train.preview_every": 300},
        {"train.guard.samples": 256, "evaluate.samples": 256},
        {"index.test_fraction": 0, "index.source": "ucf101"},
        {"index.test_fraction": 0, "index.table": "groups.csv"},
        {"evaluate.truncations": [0.3, 0.44], "train.seed": 2**31, "index.max_pixels": 10**9},
    ],
)
def test_what_may_well_be_meant(here: Path, changes: dict[str, Any]) -> None:
    assert warnings(preset_with(changes)) == []
