"""Drift: axes against the covariance's eigenvectors, distances against scipy, equal bytes."""

import json

import numpy as np
import pytest
from scipy.stats import wasserstein_distance
from typer.testing import CliRunner

from dvdgan.cli import app
from dvdgan.errors import UserError
from dvdgan.monitoring.drift import Drift, PrincipalAxes, measure_drift
from dvdgan.stages.monitor import check_gate


def test_principal_axes_are_eigenvectors_of_the_covariance():
    features = np.random.default_rng(0).normal(size=(200, 6)) * [5, 1, 3, 0.5, 2, 4] + 100
    axes = PrincipalAxes.of(features, 3)
    values, vectors = np.linalg.eigh(np.cov(features.T))
    for place in range(3):
        assert abs(vectors[:, -1 - place] @ axes.axes[place]) == pytest.approx(1)
    columns = axes.columns(features)
    assert list(columns) == ["pc_1", "pc_2", "pc_3"]
    assert [np.var(c, ddof=1) for c in columns.values()] == pytest.approx(values[::-1][:3])


def test_axes_do_not_depend_on_the_sign_the_decomposition_happens_to_give():
    features = np.random.default_rng(1).normal(size=(50, 4)) * [4, 3, 2, 1]
    axes = PrincipalAxes.of(features, 4).axes
    np.testing.assert_allclose(PrincipalAxes.of(features[::-1], 4).axes, axes, atol=1e-12)
    assert (axes[range(4), np.abs(axes).argmax(1)] > 0).all()


def test_more_components_than_clips_is_refused():
    with pytest.raises(UserError, match=r"monitor\.components is 5, but there are 4 real clips"):
        PrincipalAxes.of(np.zeros((4, 8)), 5)


@pytest.fixture(scope="module")
def sides():
    rng = np.random.default_rng(2)
    real = {name: rng.normal(size=300) for name in ("pc_1", "pc_2", "motion")}
    generated = {
        "pc_1": real["pc_1"][:200] + 2.0,
        "pc_2": real["pc_2"][:200],
        "motion": real["motion"][:200] * 0.2,
    }
    return generated, real


def test_distances_are_scipys_and_name_the_drifted_columns(sides, tmp_path):
    generated, real = sides
    drift = measure_drift(generated, real, threshold=0.3)
    for name, values in real.items():
        expected = wasserstein_distance(values, generated[name]) / np.std(values)
        assert drift.distances[name] == pytest.approx(expected, rel=0.01)
    assert drift.drifted == ["pc_1", "motion"]
    drift.save(tmp_path, "drifted[p,200,ab]", "drifted[p: in full]")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["drifted"] == ["pc_1", "motion"]
    assert (summary["key"], summary["name"]) == ("drifted[p,200,ab]", "drifted[p: in full]")
    assert summary["share"] == pytest.approx(2 / 3)
    assert json.loads((tmp_path / "report.json").read_text())["metrics"]


def test_equal_input_gives_equal_bytes_and_the_page_loads_nothing(sides, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        measure_drift(*sides, threshold=0.3).save(tmp_path / folder, "key", "name")
    for name in ("report.html", "report.json", "summary.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    page = (tmp_path / "one" / "report.html").read_text()
    for request in ("<script src", "<link ", '<img src="http', "<iframe"):
        assert request not in page
    assert page.count("<title>Drift of generated against real clips</title>") == 1
    assert "Result: fail. 2 of 3 columns have drifted." in page
    assert "its score is 0.3 or more (monitor.drift_threshold)" in page


@pytest.mark.parametrize(
    ("values", "gate", "code"),
    [
        ({"a": 0.29, "b": 0.1}, "pass", 0),
        ({"a": 0.3, "b": 0.1}, "warn", 3),
        ({"a": 0.3, "b": 0.9, "c": 0.0}, "fail", 4),
    ],
)
def test_the_gate_has_an_exit_code(values, gate, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "artifacts" / "monitor"
    folder.mkdir(parents=True)
    Drift(values, 0.3, {}, "<head></head><body></body>").save(folder, "key", "name")
    found = CliRunner().invoke(app, ["monitor", "--gate"])
    assert found.exit_code == code
    assert f"monitor: {gate}: columns at or above 0.3 standard deviations" in found.output


def test_the_gate_needs_a_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="the drift report does not exist yet"):
        check_gate()
