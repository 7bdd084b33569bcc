"""Several protocols in one run, what results.json then holds, and the same by many processes."""

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_pipeline import ALL, run_stages, tiny
from typer.testing import CliRunner

from dvdgan import protocols
from dvdgan.cli import app
from dvdgan.config import parse_config
from dvdgan.errors import UserError
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.inception_score import inception_score
from dvdgan.evaluation.moments import Moments, load_moments
from dvdgan.evaluation.networks import feature_network
from dvdgan.evaluation.networks.feature_network import save_feature_network
from dvdgan.evaluation.networks.small_i3d import SmallI3D
from dvdgan.export.sampler import CONFIG
from dvdgan.reporting.scores import metrics_by_name, read_results
from dvdgan.stages import export, features, monitor, reference
from dvdgan.stages.artefacts import EVALUATE, FEATURES, MODEL, MONITOR, REFERENCE, REPORT
from dvdgan.storage.local import read_json, sha256_of_file, write_json

# Two commands of DVC in one process: to start it takes longer than what they do.
INITIATED = """
import sys
from dvc.cli import main
assert main(["init", "-q"]) == main(["add", "-q", *sys.argv[1:]]) == 0
"""
PUBLISHED = {"i3d_k400": 5, "i3d_k600": 7}  # networks, and classes of their stand-ins


@pytest.fixture(scope="module")
def published() -> Iterator[None]:
    """Small networks in the place of the published ones, and protocols content with few clips."""
    with pytest.MonkeyPatch.context() as patch:
        for name, classes in PUBLISHED.items():
            patch.setitem(
                feature_network.BUILD, name, lambda config, n=classes: SmallI3D(n, width=4)
            )
        for name in ("unterthiner_fvd", "dvdgan_fid_is"):
            fewer = replace(protocols.PROTOCOLS[name], fewest_clips=32, fewest_frames=2)
            patch.setitem(protocols.PROTOCOLS, name, fewer)
        yield


@pytest.fixture(scope="module")
def several(published: None, synthetic_videos: Path, trained_copy: Callable[[str], Path]) -> Path:
    """A folder whose bundle was measured under the paper's two protocols."""
    folder = trained_copy("several")
    for seed, (name, classes) in enumerate(PUBLISHED.items()):
        torch.manual_seed(seed)
        weights, names = SmallI3D(classes, width=4), [f"class {each}" for each in range(classes)]
        save_feature_network(folder / "weights" / name, name, weights, names)
    params = tiny(synthetic_videos)
    # Not train: checkpoints are measured in processes of their own, where the networks are real.
    params["features"]["protocols"] = ["unterthiner_fvd", "dvdgan_fid_is"]
    run_stages(params, folder, (features, reference, *ALL[ALL.index(export) :]))
    return folder


def test_each_number_is_of_its_protocol_s_network_and_right(several: Path) -> None:
    metrics = metrics_by_name(read_json(several / EVALUATE / "results.json")["generated"])
    for name, protocol, network, layer in [
        ("FVD", "unterthiner_fvd", "i3d_k400", "logits"),
        ("FID", "dvdgan_fid_is", "i3d_k600", "pooled"),
        ("IS", "dvdgan_fid_is", "i3d_k600", "logits"),
    ]:
        weights = sha256_of_file(several / FEATURES / network / "network.safetensors")
        conditions = metrics[name]["protocol"]
        assert conditions["protocol"] == protocol and conditions["network"] == network
        assert conditions["weights_sha256"] == weights and conditions["layer"] == layer
        made = ClipFeatures.load(several / EVALUATE / "features" / f"{protocol}.safetensors")
        real = load_moments(several / REFERENCE / protocol / "train.safetensors")
        value = (
            inception_score(made.logits)
            if name == "IS"
            else frechet_distance(Moments.of(getattr(made, layer)), real[layer])
        )
        assert metrics[name]["value"] == pytest.approx(value, rel=1e-9)
        low, high = metrics[name]["interval"]
        assert low <= value <= high
    assert "accuracy" not in metrics
    assert metrics["KVD"]["protocol"]["protocol"] == "unterthiner_fvd"


def test_controls_truncation_and_memorising_are_there(several: Path) -> None:
    document = read_json(several / EVALUATE / "results.json")
    assert document["controls"].keys() == {
        "mean clip",
        "real clips, frozen",
        "real clips, shuffled",
        "real test clips",
        "untrained generator",
    }
    for metrics in document["controls"].values():
        assert {"FVD", "FID", "IS"} <= metrics_by_name(metrics).keys()
        assert all("interval" in each for each in metrics.values())
    assert [point["level"] for point in document["truncation"]] == [0.44, 1.0]
    whole = document["truncation"][-1]
    assert whole["FID"]["value"] == metrics_by_name(document["generated"])["FID"]["value"]
    [memorisation] = document["memorisation"].values()
    assert memorisation["interpolation_latents"]["lines"] == 2
    assert 0 <= memorisation["nearest"]["nearer"] <= 1
    for name in ("nearest_training_clips", "interpolation_latents", "interpolation_classes"):
        assert (several / EVALUATE / "sheets" / name / "samples.mp4").is_file()
    page = (several / REPORT / "index.html").read_text(encoding="utf-8")
    assert "Is it memorising?" in page and "FVD[unterthiner_fvd: i3d_k400@" in page


def test_names_tell_truncation_and_standing_statistics(several: Path) -> None:
    document = read_json(several / EVALUATE / "results.json")
    cut, whole = (point["FID"]["name"] for point in document["truncation"])
    drawn = "seed 0, truncation 0.44 gaussian, standing statistics of 2 forwards of 4 clips]"
    assert cut.endswith(drawn)
    assert whole == cut.replace(", truncation 0.44 gaussian", "")
    controls = document["controls"]
    for who, seed in (("untrained generator", ", seed 0]"), ("real test clips", "]")):
        name = metrics_by_name(controls[who])["FID"]["name"]
        assert name.endswith(seed) and "standing" not in name


def test_no_two_different_numbers_share_a_key(several: Path) -> None:
    """Of one set of clips; another set is a row of its own."""
    document = read_json(several / EVALUATE / "results.json")
    for metrics in (document["generated"], *document["controls"].values()):
        for key, metric in metrics.items():
            protocol, clips, _ = key.partition("[")[2].split(",")
            assert metric["protocol"]["protocol"] == protocol
            assert metric["protocol"]["clips"] == int(clips)
        assert len({metric["name"] for metric in metrics.values()}) == len(metrics)
    protocols = {key.split(",")[0] for key in document["details"]}
    assert protocols == {"unterthiner_fvd", "dvdgan_fid_is"}


def test_the_share_that_drifts_is_named_by_how_it_was_measured(
    several: Path, synthetic_videos: Path
) -> None:
    found = []
    for changes in ({}, {"components": 3}, {"drift_threshold": 0.2}):
        params = tiny(synthetic_videos)
        params["features"]["protocols"] = ["unterthiner_fvd", "dvdgan_fid_is"]
        params["monitor"] |= changes
        run_stages(params, several, (monitor,))
        found.append(read_json(several / MONITOR / "summary.json"))
    assert found[0]["name"].endswith(", 4 axes, threshold 0.1]")
    assert found[0]["key"].startswith("drifted[unterthiner_fvd,32,")
    assert len({each["key"] for each in found}) == len(found)


def test_nothing_of_the_work_in_progress_is_left(several: Path) -> None:
    assert list((several / ".runs" / "features").glob("*")) == []


def test_missing_weights_are_named_with_where_to_get_them(
    synthetic_videos: Path, tmp_path: Path
) -> None:
    params = tiny(synthetic_videos)
    params["features"]["protocols"] = ["unterthiner_fvd"]
    params["evaluate"]["samples"] = 256
    params["clip"]["frames"] = 9
    config = parse_config(params)
    with contextlib.chdir(tmp_path), pytest.raises(UserError) as refused:
        features.run(config)
    message = str(refused.value)
    assert "dvdgan convert i3d_k400" in message
    assert "get i3d_pretrained_400.pt" in message and "github.com" in message
    assert not (tmp_path / FEATURES).exists()


def command(*words: str) -> str:
    """What `dvdgan WORDS` prints in this folder; raises what it raises."""
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_run_stands_beside_another_folder(several: Path, tmp_path: Path) -> None:
    other = shutil.copytree(several, tmp_path / "other", ignore=shutil.ignore_patterns(".runs"))
    with contextlib.chdir(several):
        address = command("report", "--compare", str(other)).split()[-1]
        page = Path(".runs/report/compare.html")
        assert address == page.resolve().as_uri()
        with pytest.raises(UserError, match="does not contain a finished run"):
            command("report", "--compare", str(tmp_path))
        with pytest.raises(UserError, match="exclude each other"):
            command("report", "--compare", str(other), "--dated")
    text = (several / page).read_text()
    assert "this run and other" in text
    assert text.count("<td>equal</td>") == len(read_results(several / EVALUATE)["generated"])
    assert text.count("<video") == 2 * 4  # classes


def test_the_run_stands_beside_a_revision_whose_artifacts_dvc_has(
    several: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(several, tmp_path / "f", ignore=shutil.ignore_patterns(".runs"))
    kept = ["artifacts/model", "artifacts/evaluate", "artifacts/train/ledger.jsonl"]
    who = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for words in (
        [*who, "init", "-q"],
        [sys.executable, "-c", INITIATED, *kept],
        [*who, "add", "params.yaml", ".dvc", "artifacts/*.dvc", "artifacts/train/*.dvc"],
        [*who, "commit", "-qm", "a run"],
    ):
        subprocess.run(words, cwd=folder, check=True, capture_output=True)
    results = folder / EVALUATE / "results.json"
    measured = read_json(results)
    [key] = [key for key in measured["generated"] if key.startswith("FVD[")]
    measured["generated"][key] |= {"value": 1e-9, "interval": [1e-9, 2e-9]}
    write_json(results, measured)
    with contextlib.chdir(folder):
        command("report", "--compare", "HEAD")
        with pytest.raises(UserError, match=r"params\.yaml of no_such_tag cannot be read"):
            command("report", "--compare", "no_such_tag")
    text = (folder / ".runs/report/compare.html").read_text()
    assert "this run and HEAD" in text
    assert text.count("<td>better</td>") == 1


def test_the_dated_page_has_hours_and_cost_and_the_stage_s_page_has_not(several: Path) -> None:
    run = several / ".runs" / "train" / read_json(several / MODEL / CONFIG)["facts"]["training run"]
    steps = [f'{{"step": {step}, "step_seconds": 1800.0}}\n' for step in (1, 2)]
    (run / "timing.jsonl").write_text("".join(steps))
    with contextlib.chdir(several):
        before = (REPORT / "index.html").read_bytes()
        command("report", "--dated", "--price", "2.5")
        assert (REPORT / "index.html").read_bytes() == before
        dated = Path(".runs/report/index.html").read_text()
        with pytest.raises(UserError, match="--price goes with --dated"):
            command("report", "--price", "2.5")
        shown = command("report", "--show")
    for text in ("60.0 minutes, 1 CPU process hours", "2.50 at 2.5 an hour", "trained until"):
        assert text in dated and text.encode() not in before
    assert shown.splitlines()[-1] == f"The report: {(several / REPORT).as_uri()}/index.html"
    assert "FVD" in shown and "untrained generator" in shown
