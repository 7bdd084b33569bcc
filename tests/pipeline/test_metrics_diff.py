"""`dvc metrics diff`: only numbers that compare share a row."""

import json
from math import isclose
from pathlib import Path
from typing import Any

import pytest
import torch
from work_tree import run

from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.measurement import measure, measure_fully
from dvdgan.evaluation.measurement_settings import SamplingSettings
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.reference import Description, RealReference
from dvdgan.export.results import Results
from dvdgan.storage.local import write_json

METRICS = "artifacts/evaluate/metrics.json"
STAGE = {"cmd": "true", "metrics": [{METRICS: {"cache": False}}]}


def features(count: int, seed: int) -> ClipFeatures:
    draws = torch.Generator().manual_seed(seed)
    pooled = torch.randn(count, 6, generator=draws) + 0.1 * seed
    labels = torch.randint(0, 3, (count,), generator=draws)
    return ClipFeatures(pooled, pooled[:, :3] * 2, labels, *torch.ones(3, count))


REAL = features(480, 0)


def write(folder: Path, model: int, clips: int, lines: int = 8) -> None:
    """The metrics.json of a ``model``, by the classes that the stage writes it with."""
    place = ("self_trained", "cd" * 8, "small_i3d", "1a2b" * 16, "[-1, 1]", "none", 32, 8, 2, 4)
    moments = Moments.of(REAL.pooled), Moments.of(REAL.logits)
    reference = RealReference(Description(*place), "train", *moments, REAL)
    full = measure_fully(features(clips, model), reference, SamplingSettings(seed=0))
    results = Results(full.measurement.metrics, warnings=full.measurement.warnings)
    results.details[full.measurement.key] = full.details | {"per_class": full.per_class}
    results.add_control("real test clips", measure(features(64, 5), reference))
    jumps = {"score": 1 + model / 8, "videos": 8, "lines": lines}
    told = {"training_clips": 480, "interpolation_latents": jumps}
    results.add_memorisation("self_trained", told)
    write_json(folder / METRICS, results.to_json())


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose last commit measured model 1 with 64 clips."""
    folder = tmp_path_factory.mktemp("repository")
    write_json(folder / "dvc.yaml", {"stages": {"evaluate": STAGE}})  # JSON is YAML
    write(folder, model=1, clips=64)
    person = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for command in (
        ("git", "init", "-q"),
        ("dvc", "init", "-q"),
        ("git", "add", "."),
        ("git", *person, "commit", "-qm", "first"),
    ):
        done = run(folder, *command)
        assert done.returncode == 0, done.stdout
    return folder


def difference(folder: Path) -> dict[str, dict[str, Any]]:
    """The rows of `dvc metrics diff` whose values are numbers and differ beyond rounding.

    The same decomposition may end in another last bit: how memory is aligned decides it.
    """
    done = run(folder, "dvc", "metrics", "diff", "--json")
    assert done.returncode == 0, done.stdout
    rows = json.loads(done.stdout.splitlines()[-1]).get(METRICS, {})
    return {
        name: row
        for name, row in rows.items()
        if isinstance(row["old"] if row["new"] is None else row["new"], int | float)
        and not (None not in (row["old"], row["new"]) and isclose(row["old"], row["new"]))
    }


def test_another_model_under_equal_conditions_is_compared(committed: Path) -> None:
    write(committed, model=2, clips=64)
    rows = difference(committed)
    values = {name: row for name, row in rows.items() if name.endswith("].value")}
    assert {name.partition("[")[0] for name in values} >= {"generated.FVD", "generated.IS"}
    assert all(row["diff"] == pytest.approx(row["new"] - row["old"]) for row in values.values())


def test_other_counts_share_no_row(committed: Path) -> None:
    write(committed, model=1, clips=256)
    rows = difference(committed)
    assert any(row["old"] is None for row in rows.values())
    assert any(row["new"] is None for row in rows.values())
    assert [name for name, row in rows.items() if None not in (row["old"], row["new"])] == []
    longest = max(len(name) for name in rows if name.endswith("].value"))
    assert len(METRICS) + longest + 3 * len("  123.456") < 120  # a line of the table


def test_other_lines_of_videos_move_only_what_is_measured_on_them(committed: Path) -> None:
    write(committed, model=1, clips=64, lines=9)
    rows = difference(committed)
    assert rows and all(name.startswith("memorisation.") for name in rows)
    assert [name for name, row in rows.items() if None not in (row["old"], row["new"])] == []
