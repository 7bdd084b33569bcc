"""Ablations of files that the pipeline's own writers wrote; numbers by numpy; what is refused."""

import csv
import shutil
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

import dvdgan.cli
from dvdgan.config import load_config
from dvdgan.config.schema import RunSettings
from dvdgan.errors import EXIT_USER_ERROR
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.measurement import measure
from dvdgan.evaluation.measurement_settings import SamplingSettings
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.reference import Description, RealReference
from dvdgan.guard import ledger
from dvdgan.guard.run_folder import RunFolder
from dvdgan.reporting.scores import metrics_by_name
from dvdgan.storage.local import read_json, write_json

PRESETS = Path(__file__).resolve().parents[2] / "presets"
PROTOCOL = "self_trained"

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Call:
    """`dvdgan ablation WORDS` in an empty folder: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def ablation(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dvdgan", "ablation", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            dvdgan.cli.main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return ablation


def params(preset: str, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load((PRESETS / f"{preset}.yaml").read_text("utf-8"))
    for key, value in changes.items():
        section, name = key.split("__")
        found[section][name] = value
    return found


def features(seed: int, count: int = 64) -> ClipFeatures:
    generator = torch.Generator().manual_seed(seed)
    flat = torch.zeros(count)
    labels = torch.randint(0, 3, (count,), generator=generator)
    pooled = torch.randn(count, 6, generator=generator)
    return ClipFeatures(pooled, pooled[:, :3] * 2, labels, flat, flat, flat)


REAL = features(0, 480)


def bundle(folder: Path, preset: str, seed: int, frames: int = 12, **changes: Any) -> Path:
    """A run's results.json beside its params.yaml, measured on made-up features."""
    network = ("small_i3d", "1a2b" * 16, "[-1, 1]")
    place = ("self_trained", "cd" * 8, *network, "none", 64, frames, 2, 1)
    moments = Moments.of(REAL.pooled), Moments.of(REAL.logits)
    reference = RealReference(Description(*place), "train", *moments, REAL)
    measured = measure(features(seed), reference, SamplingSettings(seed))
    write_json(folder / "results.json", {"generated": measured.to_json(), "controls": {}})
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(params(preset, train__seed=seed, evaluate__seed=seed, **changes), file)
    return folder


def run_folder(
    folder: Path, preset: str, seed: int, fids: list[float | None], **changes: Any
) -> Path:
    """A run's settings and ledger: FID as given, IS ten times as much, every 100 steps."""
    source = folder.with_suffix(".yaml")
    source.parent.mkdir(parents=True, exist_ok=True)
    with source.open("w", encoding="utf-8") as file:
        YAML().dump(params(preset, train__seed=seed, **changes), file)
    config = load_config(source)
    settings = RunSettings(
        clip=config.clip,
        model=config.model,
        train=config.train,
        shards="shards",
        features="features",
        protocol=PROTOCOL,
        reference="reference",
        fingerprint=folder.name,
    )
    run = RunFolder(folder)
    write_json(run.settings, settings.model_dump())
    for place, fid in enumerate(fids, start=1):
        metrics = {"FID": fid, "FVD": 1.0, "IS": None if fid is None else 10 * fid}
        event = {"event": "evaluated", "step": 100 * place, "metrics": metrics, "restart_index": 0}
        ledger.append(run.ledger, event | {"verdict": "healthy", "reasons": []})
    return folder


def table(path: Path) -> dict[tuple[str, str, str], tuple[str, str, str]]:
    """(value, step, metric): (mean, deviation, finite runs)."""
    with path.open(encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    return {tuple(row[:3]): tuple(row[3:]) for row in rows}  # type: ignore[misc]


def test_bundles_over_seeds(call: Call, tmp_path: Path) -> None:
    seeds = {"fig7_k10": (1, 2, 3), "fig7_k2": (4, 5, 6)}
    folders = [
        bundle(tmp_path / f"{preset}-{seed}", preset, seed)
        for preset, those in seeds.items()
        for seed in those
    ]
    code, out, err = call(*folders, "--by", "model.spatial_frames", "--write", "figure7")
    assert (code, err) == (0, "")
    found = table(tmp_path / "figure7" / "table.csv")
    for value, preset in (("10", "fig7_k10"), ("2", "fig7_k2")):
        for metric in ("FID", "IS", "FVD", "accuracy"):
            values = [
                metrics_by_name(
                    read_json(tmp_path / f"{preset}-{seed}" / "results.json")["generated"]
                )[metric]["value"]
                for seed in seeds[preset]
            ]
            mean, deviation, runs = found[value, "", metric]
            assert float(mean) == pytest.approx(np.mean(values), rel=1e-14)
            assert float(deviation) == pytest.approx(np.std(values, ddof=1), rel=1e-12)
            assert runs == "3"
    lines = out.splitlines()
    assert lines[0] == "6 runs by model.spatial_frames; +- is the deviation (N - 1) over runs"
    assert lines[1].split() == ["model.spatial_frames", "runs", "FID", "IS", "FVD", "accuracy"]
    assert [line.split()[:2] for line in lines[2:4]] == [["2", "3"], ["10", "3"]]  # in order
    markdown = (tmp_path / "figure7" / "table.md").read_text("utf-8").splitlines()
    assert [line.count("|") for line in markdown[:4]] == [7] * 4
    name = "FID[self_trained: small_i3d@1a2b1a2b pooled, 12x64x64 stride 2, 64 clips vs 480 train"
    assert markdown[5].startswith(f"- `{name}")
    assert lines[4].startswith(name)
    table_file = tmp_path / "figure7" / "table.csv"
    table_file.write_text("made by hand")
    code, _, err = call(*folders, "--by", "model.spatial_frames", "--write", "figure7")
    assert code == 2 and "changed since: table.csv" in err
    assert table_file.read_text() == "made by hand"
    drawing = ElementTree.parse(tmp_path / "figure7" / "figure.svg").getroot()
    assert {"2", "10", "FID", "IS"} <= {text.strip() for text in drawing.itertext()}


def test_checkpoints_over_steps_and_seeds(call: Call, tmp_path: Path) -> None:
    runs = {
        ("fig7_k8", 0): [9.0, 5.0, 4.0],
        ("fig7_k8", 1): [8.0, 7.0, 2.0],
        ("fig7_phi_identity", 0): [8.0, 6.0],
        ("fig7_phi_identity", 1): [7.0, None],
    }
    folders = [
        run_folder(tmp_path / "runs" / f"{preset}-{seed}", preset, seed, fids)
        for (preset, seed), fids in runs.items()
    ]
    code, out, err = call(*folders, "--by", "model.phi", "--write", "out")
    assert (code, err) == (0, "")
    found = table(tmp_path / "out" / "table.csv")
    assert {step for _, step, _ in found} == {"100", "200"}  # 300 is not there in all
    assert found["average_pool_2x2", "200", "FID"] == ("6.0", str(2**0.5), "2")
    assert found["identity", "100", "IS"] == ("75.0", str(50**0.5), "2")
    assert found["identity", "200", "FID"] == ("6.0", "", "1")
    assert "at step 200" in out
    assert "FID[self_trained, 2048 clips of each checkpoint]" in out
    assert "6 +- 1.41" in out and "6 +- - (1 of 2)" in out
    drawing = ElementTree.parse(tmp_path / "out" / "figure.svg").getroot()
    assert {"average_pool_2x2", "identity", "step"} <= {text.strip() for text in drawing.itertext()}


def test_a_single_seed_has_no_deviation(call: Call, tmp_path: Path) -> None:
    code, out, _ = call(bundle(tmp_path / "one", "fig7_k8", 0), "--by", "model.phi")
    assert code == 0
    cells = out.splitlines()[2].split()
    assert cells[:2] == ["average_pool_2x2", "1"]
    assert (cells[3::3], cells[4::3]) == (["+-"] * 4, ["-"] * 4)


def test_several_keys_and_the_working_copy(call: Call, tmp_path: Path) -> None:
    for preset in ("table1_12x64", "appendix_c_group_norm"):
        folder = bundle(tmp_path / preset, preset, 0)
        (folder / "artifacts" / "evaluate").mkdir(parents=True)
        shutil.move(folder / "results.json", folder / "artifacts" / "evaluate")
    keys = ["--by", "model.block_norm", "--by", "model.output_norm"]
    code, out, err = call("table1_12x64", "appendix_c_group_norm", *keys)
    assert (code, err) == (0, "")
    assert [line.split()[:3] for line in out.splitlines()[2:4]] == [
        ["per_step_batch", "per_step_batch", "1"],
        ["group", "group", "1"],
    ]


def test_what_does_not_compare_is_named(call: Call, tmp_path: Path) -> None:
    k8 = bundle(tmp_path / "k8", "fig7_k8", 0)
    by = ["--by", "model.spatial_frames"]
    for other, message in [
        (bundle(tmp_path / "phi", "fig7_phi_4x4", 1), "model.phi: average_pool_2x2 in k8/"),
        (bundle(tmp_path / "longer", "fig7_k2", 1, frames=16), "frames: 12 and 16"),
        (bundle(tmp_path / "twin", "fig7_k8", 0), "two runs have equal settings and seeds"),
        (
            run_folder(tmp_path / "run", "fig7_k2", 1, [1.0]),
            "no step in common",
        ),
        (tmp_path / "nowhere", "nowhere is not there"),
        (tmp_path, "is not a run"),
    ]:
        code, out, err = call("k8", other.relative_to(tmp_path), *by)
        assert (code, out) == (EXIT_USER_ERROR, ""), message
        assert message in err
    assert call(k8, "--by", "model.spatial_frame")[2].endswith(
        "did you mean model.spatial_frames?\n"
    )


def named(run: Path, network: str, seed: int) -> Path:
    """The same run, with the full names that checkpoints are measured under today."""
    events = ledger.read(RunFolder(run).ledger)
    RunFolder(run).ledger.unlink()
    for event in events:
        names = {
            metric: f"{metric}[self_trained: small_i3d@{network} logits, 64 clips, seed {seed}]"
            for metric in event["metrics"]
        }
        ledger.append(RunFolder(run).ledger, event | {"names": names})
    return run


def test_checkpoints_measured_by_other_networks_are_refused(call: Call, tmp_path: Path) -> None:
    """Their params are equal: only the names of their metrics differ."""
    runs = [run_folder(tmp_path / f"run{seed}", "fig7_k8", seed, [9.0]) for seed in range(3)]
    by = ["--by", "model.phi"]
    one, alike, other = (
        named(run, network, seed)
        for seed, (run, network) in enumerate(zip(runs, ("1a2b", "1a2b", "9f9f"), strict=True))
    )
    code, out, _ = call(one, alike, *by)
    assert code == 0 and "FID[self_trained: small_i3d@1a2b logits, 64 clips, seed 0]" in out
    code, _, err = call(one, other, *by)
    assert code == EXIT_USER_ERROR
    assert "do not compare" in err and "small_i3d@9f9f" in err
    ledger.append(
        RunFolder(one).ledger,
        ledger.read(RunFolder(one).ledger)[-1] | {"step": 200, "names": {"FID": "FID[otherwise]"}},
    )
    code, _, err = call(one, *by)
    assert code == EXIT_USER_ERROR and "FID of this run was measured in two ways" in err


def test_a_metrics_file_of_an_older_version_is_read(call: Call, tmp_path: Path) -> None:
    """It has bare names, and fewer fields in its protocols."""
    older, newer = (bundle(tmp_path / name, "fig7_k8", seed) for seed, name in enumerate("ab"))
    document = read_json(older / "results.json")
    document["generated"] = metrics_by_name(document["generated"])
    for metric in document["generated"].values():
        for field in ("preprocessing", "real_preprocessing", "standing", "truncation", "sets"):
            del metric["protocol"][field]
    write_json(older / "results.json", document)
    code, out, err = call(older, newer, "--by", "model.phi")
    assert (code, err) == (0, "")
    assert out.splitlines()[2].split()[:2] == ["average_pool_2x2", "2"]


def test_seeds_and_what_moves_no_metric_may_differ(call: Call, tmp_path: Path) -> None:
    bundle(tmp_path / "one", "fig7_k8", 0)
    bundle(tmp_path / "two", "fig7_k8", 1, monitor__components=4, train__preview_every=50)
    assert call("one", "two", "--by", "model.phi")[0] == 0


def test_files_that_are_not_what_they_should_be(call: Call, tmp_path: Path) -> None:
    bundle(tmp_path / "a", "fig7_k8", 0)
    (tmp_path / "a" / "params.yaml").unlink()
    assert "has no params.yaml" in call("a/results.json", "--by", "model.phi")[2]
    bundle(tmp_path / "b", "fig7_k8", 0)
    for text in ("{", "[]", "{}", '{"generated": {"FID": 1.0}}', '{"generated": [1]}'):
        (tmp_path / "b" / "results.json").write_text(text, encoding="utf-8")
        assert "is not what `dvdgan evaluate` writes" in call("b", "--by", "model.phi")[2]
    folder = run_folder(tmp_path / "c", "fig7_k8", 0, [])
    assert "no checkpoint of this run was evaluated" in call(folder, "--by", "model.phi")[2]
    RunFolder(folder).settings.write_text("{}", encoding="utf-8")
    assert "is not a run of this version" in call(folder, "--by", "model.phi")[2]
