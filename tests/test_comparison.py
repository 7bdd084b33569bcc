"""`dvdgan evaluate --generated --real`: the pipeline's own numbers for anybody's clips."""

import contextlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from kept_statistics import keep_statistics

import dvdgan.cli
from dvdgan.evaluation.feature_cache import FeatureCache
from dvdgan.evaluation.features import extract
from dvdgan.evaluation.measurement import measure_fully
from dvdgan.evaluation.measurement_settings import SamplingSettings
from dvdgan.evaluation.networks.feature_network import FeatureNetwork, save_feature_network
from dvdgan.evaluation.networks.i3d import I3D
from dvdgan.evaluation.networks.small_i3d import SmallI3D
from dvdgan.evaluation.reference import (
    RealReference,
)
from dvdgan.export.sampler import Sampler
from dvdgan.models.architecture import GeneratorArchitecture
from dvdgan.models.generator import Generator
from dvdgan.models.spectral import bake
from dvdgan.reporting.scores import metrics_by_name
from dvdgan.storage.local import read_json
from dvdgan.video.encode import encode_mp4

PROJECT = Path(__file__).resolve().parents[1]
CLASSES = ["bend", "jack", "wave"]
T, SIZE, FAKES, REALS = 4, 32, 40, 64
UNTERTHINER = ["--protocol=unterthiner_fvd", "--network=i3d"]


def squares(count, seed):
    """Clips (count, T, 3, SIZE, SIZE) of a square that drifts, over noise."""
    draws = np.random.default_rng(seed)
    clips = draws.integers(0, 60, (count, T, 3, SIZE, SIZE))
    for clip in clips:
        top, left = draws.integers(0, SIZE - 12, 2)
        level = draws.integers(100, 255, (3, 1, 1))
        for time, frame in enumerate(clip):
            frame[:, top : top + 8, left + time : left + time + 8] = level
    return clips.astype(np.uint8)


def sampler():
    torch.manual_seed(3)
    generator = Generator(
        GeneratorArchitecture(
            classes=3, resolution=SIZE, frames=T, channels=1, latent_dim=8, class_dim=6
        )
    ).eval()
    bake(generator)
    return Sampler(generator, CLASSES, 25)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with a network, statistics of real clips, generated clips, and real videos."""
    root = tmp_path_factory.mktemp("work")
    torch.manual_seed(0)
    folder = root / "artifacts" / "features" / "small_i3d"
    save_feature_network(folder, "small_i3d", SmallI3D(3, 4).eval(), CLASSES, width=4)
    network = FeatureNetwork.load(folder)
    real = torch.from_numpy(squares(REALS, 0))
    saved = root / "artifacts" / "reference" / "self_trained"
    keep_statistics(saved, network, real)
    labels = torch.arange(FAKES) % 3
    fakes = sampler().sample(labels, seed=0)
    np.save(root / "fakes.npy", fakes)
    np.savez(root / "fakes.npz", clips=fakes, labels=labels)
    (root / "real").mkdir()
    for number, clip in enumerate(real):
        mp4 = encode_mp4(np.ascontiguousarray(clip.permute(0, 2, 3, 1).numpy()), 25)
        (root / "real" / f"{number:02d}.mp4").write_bytes(mp4)
    return root


def run(work, monkeypatch, *words):
    """Run `dvdgan evaluate WORDS` in ``work``: exit code 0 or what was raised."""
    monkeypatch.setattr(sys, "argv", ["dvdgan", "evaluate", *words, "--write", "results.json"])
    with contextlib.chdir(work), pytest.raises(SystemExit) as ended:
        dvdgan.cli.main()
    return int(ended.value.code or 0)


def generated(work):
    """The last run's metrics of the generated clips, by name."""
    return metrics_by_name(read_json(work / "results.json")["generated"])


def controls(work):
    """Its metrics of the halves of the real clips, by name."""
    return metrics_by_name(
        read_json(work / "results.json")["controls"]["half of the kept real clips"]
    )


def stage_numbers(work):
    """What the stage measures of the same clips, straight from the sampler."""
    network = FeatureNetwork.load(work / "artifacts" / "features" / "small_i3d")
    labels = torch.arange(FAKES) % 3
    features = extract(network, sampler().stream(labels, 0), FAKES, "generated")
    reference = RealReference.load(work / "artifacts" / "reference" / "self_trained", "train")
    return measure_fully(features, reference, SamplingSettings(seed=0), 32).measurement.metrics


def test_saved_samples_get_the_numbers_of_the_pipeline(work, monkeypatch, capsys):
    expected = stage_numbers(work)
    assert run(work, monkeypatch, "--generated=fakes.npz", "--real=artifacts/reference") == 0
    measured = generated(work)
    assert {"FVD", "FID", "IS", "accuracy"} <= set(measured) == set(expected)
    for name, each in measured.items():
        assert each["value"] == pytest.approx(expected[name].value, rel=1e-9, abs=1e-9), name
    printed = capsys.readouterr().out
    assert all(each["name"] in printed for each in measured.values())
    # A bare array has no labels.
    assert run(work, monkeypatch, "--generated=fakes.npy", "--real=artifacts/reference") == 0
    unlabelled = generated(work)
    assert set(measured) - set(unlabelled) == {"accuracy"}
    assert unlabelled["FVD"]["value"] == pytest.approx(expected["FVD"].value, rel=1e-9)


def test_the_floor_is_half_of_the_real_clips_against_the_other_half(work, monkeypatch, capsys):
    assert run(work, monkeypatch, "--generated=fakes.npy", "--real=artifacts/reference") == 0
    floor = controls(work)
    printed = capsys.readouterr().out
    assert "half of the kept real clips against the other half (fewer clips, larger" in printed
    assert "32 clips vs 32 train, the other half" in printed
    kept = RealReference.load(work / "artifacts" / "reference" / "self_trained", "train").kept
    halves = [kept.logits[start::2].double().numpy() for start in (0, 1)]
    gap = halves[0].mean(0) - halves[1].mean(0)
    covariances = [np.cov(half.T) for half in halves]
    root = np.linalg.eigvals(covariances[0] @ covariances[1]).real.clip(min=0)
    expected = gap @ gap + np.trace(sum(covariances)) - 2 * np.sqrt(root).sum()
    assert floor["FVD"]["value"] == pytest.approx(expected, rel=1e-6)
    assert floor["FVD"]["protocol"]["clips"] == REALS // 2


def test_classes_of_real_folders_are_the_networks(work, monkeypatch):
    """A folder that the network does not know comes first and moves the others' numbers."""
    for root, last in (("known", "bend"), ("unknown", "aerobics")):
        for number, file in enumerate(sorted((work / "real").iterdir())):
            name = CLASSES[number % 3] if number < 60 else last
            folder = work / root / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / file.name).write_bytes(file.read_bytes())
    assert run(work, monkeypatch, "--generated=fakes.npz", "--real=known", f"--frames={T}") == 0
    known, known_floor = read_json(work / "results.json"), controls(work)
    assert run(work, monkeypatch, "--generated=fakes.npz", "--real=unknown", f"--frames={T}") == 0
    unknown = read_json(work / "results.json")
    assert {"accuracy", "FVD"} <= known_floor.keys()
    assert "accuracy" in generated(work)
    assert "accuracy" not in controls(work)
    assert unknown["details"]["diversity_across"]["real"] is None
    for label in ("1", "2"):
        mine, other = (each["details"]["per_class"][label] for each in (known, unknown))
        assert mine["real_diversity"] == pytest.approx(other["real_diversity"], rel=1e-5)


def test_a_set_against_itself_is_at_distance_zero(work, monkeypatch, capsys):
    assert run(work, monkeypatch, "--generated=fakes.npy", "--real=fakes.npy") == 0
    assert generated(work)["FVD"]["value"] == 0
    assert "           0  " in capsys.readouterr().out


@pytest.mark.parametrize(
    "launcher",
    [
        [str(PROJECT / "tests" / "stages" / "forked_ranks.py"), "2"],
        pytest.param(["-m", "torch.distributed.run", "--nproc-per-node=2"], marks=pytest.mark.long),
        pytest.param(
            [
                *("-m", "accelerate.commands.launch", "--multi_gpu"),
                *("--num_processes=2", "--main_process_port=0"),
            ],
            marks=pytest.mark.long,
        ),
    ],
    ids=["forks", "torchrun", "accelerate"],
)
def test_many_processes_write_one_result(work, monkeypatch, capfd, launcher):
    words = ["--generated=fakes.npy", "--real=real", f"--frames={T}"]
    assert run(work, monkeypatch, *words) == 0
    alone = generated(work)
    for folder in (work / ".runs" / "features").iterdir():
        for part in folder.iterdir():
            part.unlink()
    capfd.readouterr()
    command = " ".join([sys.executable, *launcher, "-m"])
    environment = {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "DVDGAN_LAUNCHER": command}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    # The command itself is this process, which spares its imports.
    (work / "results.json").unlink()
    assert run(work, monkeypatch, *words) == 0
    assert capfd.readouterr().out.count("FVD[") == 2  # of the clips, and of the floor
    assert generated(work) == alone


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--generated=fakes.npy"], "--generated and --real together"),
        (["--generated=fakes.npy", "--real=nothing"], "nothing is neither a folder"),
        (["--generated=few.npy", "--real=artifacts/reference"], "needs at least 32 generated"),
        (["--generated=small.npy", "--real=artifacts/reference"], "16x16 pixels, the real ones 32"),
        (["--generated=fakes.npy", "--real=artifacts/reference", "--frames=5"], "of 4 frames, not"),
        (["--generated=fakes.npy", "--real=few.npy"], "8 real clips are too few"),
        (["--generated=fakes.npy", "--real=labelled.npz"], "where: labelled.npz"),
        (["--generated=fakes.npy", "--real=artifacts/reference", "--given-frames=4"], "4 given"),
        (
            ["--generated=fakes.npy", "--real=fakes.npy", *UNTERTHINER, "--given-frames=2"],
            "to do: set --given-frames, now",
        ),
        (
            ["--generated=fakes.npy", "--real=fakes.npy", "--network=i3d"],
            "self_trained measures by small_i3d, not by i3d_k400",
        ),
        (["--frames=4"], "the pipeline's bundle does not use --write, --frames"),
        (["--checkpoint=step", "--real-range=[0, 1]"], "--checkpoint does not use --real-range"),
        (["--checkpoint=step", "--generated=fakes.npy"], "--generated does not use --checkpoint"),
        (["--params=mine.yaml", "--real=real"], "--generated does not use --params"),
        (["--generated=labelled.npz", "--real=artifacts/reference"], "label 3 is not one of"),
        (["--generated=unknown.npz", "--real=artifacts/reference"], "label -1 is not one of"),
        (["--generated=fakes.npy", "--real=unknown.npz"], "where: unknown.npz"),
        (
            ["--generated=fakes.npy", "--real=artifacts/reference/self_trained", "--network=other"],
            "the statistics are of self_trained by small_i3d@",
        ),
        (["--generated=real", "--real=artifacts/reference", "--resolution=16"], "16x16 pixels"),
        (
            ["--generated=fakes.npy", "--real=artifacts/reference", "--protocol=unterthiner_fvd"],
            "there are statistics of self_trained, but none of unterthiner_fvd",
        ),
        (
            [
                *("--generated=fakes.npy", "--real=artifacts/reference/self_trained"),
                "--protocol=unterthiner_fvd",
            ],
            "the statistics are of self_trained, and --protocol is unterthiner_fvd",
        ),
        (  # without weights: other errors come first
            ["--generated=fakes.npy", "--real=fakes.npy", "--protocol=unterthiner_fvd"],
            "unterthiner_fvd measures clips of 9 frames or more",
        ),
    ],
)
def test_sets_that_do_not_compare_are_refused(work, monkeypatch, capsys, words, what):
    fakes = np.load(work / "fakes.npy")
    np.save(work / "few.npy", fakes[:8])
    np.save(work / "small.npy", fakes[..., :16, :16])
    np.savez(work / "labelled.npz", clips=fakes, labels=np.full(FAKES, 3))
    np.savez(work / "unknown.npz", clips=fakes, labels=np.arange(FAKES) % 4 - 1)
    if "--network=i3d" in words:
        torch.manual_seed(0)
        save_feature_network(work / "i3d", "i3d_k400", I3D(400), [str(n) for n in range(400)])
    if "--network=other" in words:
        save_feature_network(work / "other", "small_i3d", SmallI3D(3, 4), CLASSES, width=4)
    monkeypatch.delattr(FeatureCache, "extract")  # the error must come before extraction
    assert run(work, monkeypatch, *words) == 2
    assert what in capsys.readouterr().err


def test_broken_videos_are_told_and_beyond_the_budget_stop(work, monkeypatch, capsys):
    (work / "real" / "broken.mp4").write_bytes(b"no video")
    words = ["--generated=fakes.npy", "--real=real", f"--frames={T}"]
    try:
        assert run(work, monkeypatch, *words) == 2
        errors = capsys.readouterr().err
        assert "1 of 65 videos could not be used so far, and none may be left out" in errors
        assert "broken.mp4: not_a_video" in errors
        assert run(work, monkeypatch, *words, "--max-refused=0.03") == 0
        assert "1 videos of real could not be used" in capsys.readouterr().out
        written = read_json(work / "results.json")
        assert generated(work)["FVD"]["protocol"]["real_clips"] == REALS
        [line] = written["sources"]["refused"]["real"]
        assert not written["sources"]["refused"]["generated"]
        assert line.startswith("broken.mp4: not_a_video")
    finally:
        (work / "real" / "broken.mp4").unlink()


def test_refused_files_are_no_real_clips(work, monkeypatch, capsys):
    """31 videos and a broken one: enough places, too few clips."""
    folder = work / "scarce"
    folder.mkdir()
    for file in sorted((work / "real").iterdir())[:31]:
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "broken.mp4").write_bytes(b"no video")
    words = ["--generated=fakes.npy", "--real=scarce", f"--frames={T}", "--max-refused=0.1"]
    assert run(work, monkeypatch, *words) == 2
    errors = capsys.readouterr().err
    assert "31 real clips are too few" in errors
    assert "where: scarce" in errors
