"""Which run a page is of: hours and cost by hand, and the params of a real git repository."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dvdgan.config import load_config
from dvdgan.reporting.identity import of_bundle, of_commit, of_training, paper_row

PRESETS = Path(__file__).resolve().parents[2] / "presets"
ENDED = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


def test_hours_are_those_of_all_processes_and_a_repeated_step_counts_once():
    timing = [{"step": step, "step_seconds": 900.0} for step in (1, 2, 2, 3, 4)]
    found = of_training(timing, ENDED, {"processes": 8, "device": "cuda"}, price=2.5)
    assert found == {
        "trained until": "2026-03-04 05:06 UTC",
        "train steps took": "60.0 minutes, 8 GPU process hours",
        "cost": "20.00 at 2.5 an hour",
    }
    assert "cost" not in of_training(timing, ENDED, {}, price=0)


def test_the_bundle_names_its_run_and_machine():
    conditions = {"device": "cuda", "processes": 8, "torch": "2.13.0"}
    assert of_bundle({"training run": "1a2b", "step": 60}, conditions) == {
        "run": "1a2b",
        "checkpoint": "step 60",
        "trained on": "8 x cuda, torch 2.13.0",
    }


@pytest.mark.parametrize(
    ("preset", "classes", "row"),
    [
        ("table1_12x64", 600, {"the paper": "FID 0.91, IS 61.10 (Table 1)"}),
        ("table1_48x128", 600, {"the paper": "FID 31.50, IS 111.19 (Table 1)"}),
        ("table2_ucf101", 101, {"the paper": "IS 32.97 (Table 2)"}),
        ("table1_12x64", 4, {}),
        ("demo", 600, {}),
    ],
)
def test_the_paper_s_row_stands_beside_its_presets(preset, classes, row):
    config = load_config(PRESETS / f"{preset}.yaml")
    assert paper_row(config.clip, config.model, classes) == row


def test_changed_params_are_named_with_who_changed_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = Path("params.yaml")

    def git(*words):
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        subprocess.run(["git", *who, *words], check=True, capture_output=True)

    assert of_commit(params) == {}  # no repository
    git("init")
    for steps in (100, 300):
        params.write_text(f"train: {{steps: {steps}, seed: 0}}\n")
        git("add", "params.yaml")
        git("commit", "-m", "params")
    found = of_commit(params)
    assert ", Ada, " in found.pop("commit")
    [(key, text)] = found.items()
    assert key.startswith("params changed (") and ", Ada, " in key
    assert text == "train.steps: 100 -> 300"
    params.write_text("train: {steps: 300, seed: 1}\n")
    assert of_commit(params)["params changed (not committed)"] == "train.seed: 0 -> 1"
