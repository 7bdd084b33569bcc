"""`dvc metrics diff`: only numbers that compare share a row."""

import json
import re
from math import isclose
from pathlib import Path
from typing import Any

import pytest
import torch
from work_tree import run_fork

from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.measurement import measure, measure_fully
from dvdgan.evaluation.measurement_settings import SamplingSettings
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.reference import Description, RealReference
from dvdgan.export.results import Results
from dvdgan.reporting.scores import metrics_by_name
from dvdgan.storage.local import read_json, write_json

METRICS = "artifacts/evaluate/metrics.json"
STAGE = {"cmd": "true", "metrics": [{METRICS: {"cache": False}}]}


def features(count: int, seed: int) -> ClipFeatures:
    draws = torch.Generator().manual_seed(seed)
    pooled = torch.randn(count, 6, generator=draws) + 0.1 * seed
    labels = torch.randint(0, 3, (count,), generator=draws)
    return ClipFeatures(pooled, pooled[:, :3] * 2, labels, *torch.ones(3, count))


REAL = features(480, 0)


def written_results(model: int, clips: int, seed: int = 0) -> Results:
    """What the stage measures of a ``model``, by the classes that it uses."""
    place = ("self_trained", "cd" * 8, "small_i3d", "1a2b" * 16, "[-1, 1]", "none", 32, 8, 2, 4)
    moments = Moments.of(REAL.pooled), Moments.of(REAL.logits)
    reference = RealReference(Description(*place), "train", *moments, REAL)
    full = measure_fully(features(clips, model), reference, SamplingSettings(seed=seed))
    results = Results(full.measurement.metrics, warnings=full.measurement.warnings)
    results.add_control("real test clips", measure(features(64, 5), reference))
    return results


def write(folder: Path, model: int, clips: int, seed: int = 0) -> None:
    write_json(folder / METRICS, written_results(model, clips, seed).scalars())


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
        done = run_fork(folder, *command)
        assert done.returncode == 0, done.stdout
    return folder


def difference(folder: Path) -> dict[str, dict[str, Any]]:
    """The rows of `dvc metrics diff` whose values are numbers and differ beyond rounding.

    The same decomposition may end in another last bit: how memory is aligned decides it.
    """
    done = run_fork(folder, "dvc", "metrics", "diff", "--json")
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
    assert {name.split()[0] for name in rows} >= {"FVD", "FID", "IS", "KVD"}
    assert all(row["diff"] == pytest.approx(row["new"] - row["old"]) for row in rows.values())


def test_the_rows_fit_a_terminal(committed: Path) -> None:
    """The longest of `dvc metrics diff --all`, with a column for each of two revisions."""
    write(committed, model=2, clips=64)
    lines = run_fork(committed, "dvc", "metrics", "diff", "--all").stdout.splitlines()
    assert len([line for line in lines if line.startswith(METRICS)]) in range(10, 15)
    assert max(map(len, lines)) <= 120


def test_keys_say_what_was_measured_on_what(committed: Path) -> None:
    write(committed, model=1, clips=64)
    written = read_json(committed / METRICS)
    form = re.compile(
        r"(FVD|FID|IS|accuracy|KVD|precision|recall|density|coverage)(_real|_infinity)? "
        r"self_trained N=64 [0-9a-f]{4}"
    )
    assert [key for key in written if not form.fullmatch(key)] == []
    results = written_results(model=1, clips=64).to_json()
    assert {key.split()[0]: value for key, value in written.items() if "_real" not in key} == {
        name: pytest.approx(each["value"], rel=1e-5)
        for name, each in metrics_by_name(results["generated"]).items()
    }


def test_other_counts_share_no_row(committed: Path) -> None:
    write(committed, model=1, clips=256)
    rows = {name: row for name, row in difference(committed).items() if "_real" not in name}
    assert any(row["old"] is None for row in rows.values())
    assert any(row["new"] is None for row in rows.values())
    assert [name for name, row in rows.items() if None not in (row["old"], row["new"])] == []


def test_another_seed_of_as_many_clips_shares_no_row(committed: Path) -> None:
    write(committed, model=1, clips=64, seed=1)
    rows = difference(committed)
    assert {row["old"] is None for row in rows.values()} == {True, False}
    assert [name for name, row in rows.items() if None not in (row["old"], row["new"])] == []
